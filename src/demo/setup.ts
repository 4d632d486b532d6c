import { setTimeout as delay } from "node:timers/promises";
import { OperatorError } from "../kernel/errors.ts";
import type { Datapoint, SiteApi } from "./api.ts";
import { actuators, type Metadata, sensors } from "./catalogue.ts";
import { type Connector, logLevel } from "./connector.ts";
import { historyStep, settledState } from "./history.ts";
import { defaultControls, type Site } from "./site.ts";

/** How long the server may take to list what was announced. */
const announcedMs = 30_000;

/** Announces the datapoints, and adds connector, metadata and activation on the first start. */
export async function setUp(
  api: SiteApi,
  connector: Connector,
  name: string,
  site: Site,
): Promise<readonly Datapoint[]> {
  const now = Date.now();
  const moment = site.step(settledState(site, defaultControls, now - historyStep), defaultControls, now);
  const announcement = {
    sensor: Object.fromEntries(sensors.map((sensor) => [sensor.key, sensor.read(moment)])),
    actuator: Object.fromEntries(actuators.map((actuator) => [actuator.key, actuator.read(defaultControls)])),
  };
  await api.ensureConnector(name);
  await connector.announce(announcement);
  const datapoints = await announced(api, name);
  await describe(api, datapoints);
  // Whoever switched some of them off meanwhile wants them off.
  const active = await api.datapoints(name, "true");
  if (active.length === 0) await api.activate(datapoints.map(({ id }) => id));
  await connector.log(logLevel.info, "The simulated site has started.");
  return datapoints;
}

/** Waits until the server lists all that was announced. */
async function announced(api: SiteApi, name: string): Promise<readonly Datapoint[]> {
  const wanted = sensors.length + actuators.length;
  const deadline = performance.now() + announcedMs;
  for (;;) {
    const datapoints = (await api.datapoints(name, "all")).filter(isOurs);
    if (datapoints.length >= wanted) return datapoints;
    if (performance.now() > deadline)
      throw new OperatorError(
        `The server lists ${datapoints.length} of ${wanted} announced datapoints; is it connected to the same broker?`,
      );
    await delay(50);
  }
}

const metadataByKey: ReadonlyMap<string, Metadata> = new Map([
  ...sensors.map((sensor) => [`sensor ${sensor.key}`, metadataOf(sensor)] as const),
  ...actuators.map((actuator) => [`actuator ${actuator.key}`, metadataOf(actuator)] as const),
]);

/** Names a datapoint among those of its connector. */
export const labelOf = ({ type, key_in_connector }: Datapoint): string => `${type} ${key_in_connector}`;
const isOurs = (datapoint: Datapoint): boolean => metadataByKey.has(labelOf(datapoint));

function metadataOf(source: Metadata): Metadata {
  const { data_format, short_name, description, unit, min_value, max_value, allowed_values } = source;
  return {
    ...{ data_format, short_name, description, unit },
    ...(min_value === undefined ? {} : { min_value }),
    ...(max_value === undefined ? {} : { max_value }),
    ...(allowed_values === undefined ? {} : { allowed_values }),
  };
}

/** Only those that have no name yet: the others may have been edited. */
async function describe(api: SiteApi, datapoints: readonly Datapoint[]): Promise<void> {
  const items = datapoints
    .filter((datapoint) => datapoint.short_name === null)
    .flatMap((datapoint) => {
      const metadata = metadataByKey.get(labelOf(datapoint));
      const { connector, key_in_connector, type } = datapoint;
      return metadata === undefined ? [] : [{ connector, key_in_connector, type, ...metadata }];
    });
  if (items.length > 0) await api.describe(items);
}
