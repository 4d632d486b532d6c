import { messageOf } from "../../kernel/errors.ts";
import type { Feature, InstalledFeature, Kernel } from "../../kernel/kernel.ts";
import { installCommands } from "./commands/install.ts";
import { registerConnectorRoutes } from "./connector-routes.ts";
import { Connectors } from "./connectors.ts";
import { installControllers } from "./controllers/install.ts";
import { Discovered } from "./discovered.ts";
import { Figures } from "./figures.ts";
import { Ingest } from "./ingest.ts";
import { Intake } from "./intake.ts";
import { datapointTopics } from "./live-topics.ts";
import { registerMessageRoutes } from "./message-routes.ts";
import { Messages } from "./messages.ts";
import { createDatapoints } from "./migrations/0001-datapoints.ts";
import { addControl } from "./migrations/0002-control.ts";
import { createControllers } from "./migrations/0003-controllers.ts";
import { createCommands } from "./migrations/0010-commands.ts";
import { createGuards } from "./migrations/0011-guards.ts";
import { indexActiveDatapoints } from "./migrations/0012-active-datapoints.ts";
import { addCommandStreams } from "./migrations/0013-command-streams.ts";
import { RetainedTopics } from "./retained.ts";
import { resources } from "./route-config.ts";
import { registerDatapointRoutes } from "./routes.ts";
import { Datapoints } from "./service.ts";
import { datapointStreams } from "./stream-owner.ts";
import { completeStreams, streamOwner } from "./streams.ts";
import { Topics } from "./topics.ts";

/** Building energy management: connectors announce datapoints over MQTT, people activate them, values come and go. */
export const datapoints: Feature = {
  name: "datapoints",
  migrations: {
    "datapoints/0001-datapoints": createDatapoints,
    "datapoints/0002-control": addControl,
    "datapoints/0003-controllers": createControllers,
    "datapoints/0010-commands": createCommands,
    "datapoints/0011-guards": createGuards,
    "datapoints/0012-active-datapoints": indexActiveDatapoints,
    "datapoints/0013-command-streams": addCommandStreams,
  },
  resources,
  install: (kernel) => install(kernel),
};

async function install(kernel: Kernel): Promise<InstalledFeature> {
  const { config, database, changes, clock, log, metrics, mqtt, timeseries } = kernel;
  await using parts = new AsyncDisposableStack();
  kernel.streamOwners.register(streamOwner, datapointStreams(kernel));
  kernel.live.register(streamOwner, datapointTopics(kernel));
  const figures = new Figures(metrics, log, clock);
  const retained = new RetainedTopics({ link: mqtt, database, log });
  const { control } = config.extensions;
  const topics = parts.use(new Topics({ database, link: mqtt, retained, figures, log, control }));
  parts.defer(changes.subscribe(topics.follow));
  const discovered = new Discovered();
  const intake = parts.use(
    new Intake({
      database,
      changes,
      log,
      refused: (connectorId, error) =>
        log.error({ connectorId, error: messageOf(error) }, "a message of a connector could not be stored"),
    }),
  );
  const prefix = `/${config.http.rootPath}`;
  const sending = parts.use(installCommands(kernel, figures, prefix));
  const { watch } = sending;
  const ingest = new Ingest({ topics, intake, timeseries, discovered, figures, clock, watch });
  registerDatapointRoutes(kernel, new Datapoints(kernel, topics), prefix);
  registerMessageRoutes(kernel, new Messages(kernel, sending.commands), prefix);
  registerConnectorRoutes(kernel, new Connectors(kernel, topics, discovered), discovered, prefix);
  const { commands } = sending;
  const controllers = control
    ? parts.use(await installControllers(kernel, { commands, retained, figures, prefix }))
    : undefined;
  await completeStreams(kernel);
  // The link wants to know the subscriptions before it connects.
  await topics.settle();
  const installed = parts.move();
  return {
    start: async () => {
      await mqtt.start({ onMessage: ingest.take, onReady: () => retained.ready() });
      await sending.start();
      controllers?.start();
    },
    [Symbol.asyncDispose]: () => installed.disposeAsync(),
  };
}
