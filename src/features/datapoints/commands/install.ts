import { messageOf } from "../../../kernel/errors.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import type { Figures } from "../figures.ts";
import { CommandFigures } from "./figures.ts";
import { registerGuardRoutes } from "./guard-routes.ts";
import { Guards } from "./guards.ts";
import { Ledger } from "./ledger.ts";
import { registerCommandRoutes } from "./routes.ts";
import { SafeValues } from "./safe-values.ts";
import { CommandScheduler } from "./scheduler.ts";
import { Commands } from "./service.ts";
import { StepNews } from "./step-news.ts";
import { listOpen } from "./store.ts";
import { FeedbackWatch } from "./watch.ts";

export interface InstalledCommands extends AsyncDisposable {
  readonly commands: Commands;
  readonly watch: FeedbackWatch;
  /** Looks for what a run before has left open, and after deadlines from now on. */
  start(): Promise<void>;
}

/** @param prefix of the routes; ends with a slash */
export function installCommands(kernel: Kernel, messages: Figures, prefix: string): InstalledCommands {
  const { database, changes, clock, log, metrics, mqtt: link, timeseries, config } = kernel;
  const parts = new AsyncDisposableStack();
  const figures = new CommandFigures(metrics, database);
  const news = parts.use(new StepNews({ database, timeseries, log }));
  const ledger = parts.use(new Ledger({ database, changes, clock, figures, news }));
  const watch = new FeedbackWatch({ ledger, log, clock });
  parts.defer(changes.subscribe(watch.follow));
  const pathOf = (id: number): string => `${prefix}commands/${id}/`;
  const commands = new Commands({ database, timeseries, link, ledger, messages, clock, log, pathOf });
  const safeValues = new SafeValues({ database, changes, commands, news, clock, log });
  const scheduler = parts.use(
    new CommandScheduler({
      database,
      timeseries,
      link,
      ledger,
      watch,
      safeValues,
      clock,
      log,
      keep: config.commands.keepMillis,
    }),
  );
  registerCommandRoutes(kernel, prefix);
  registerGuardRoutes(kernel, new Guards(kernel), prefix);
  return {
    commands,
    watch,
    start: async () => {
      try {
        watch.load(await listOpen(database.read));
      } catch (error) {
        log.warn({ error: messageOf(error) }, "open commands could not be read; their deadlines decide");
      }
      scheduler.start();
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
