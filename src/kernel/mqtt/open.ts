import { createServer } from "node:net";
import type { Config } from "../config/config.ts";
import type { DataFolder } from "../config/data-folder.ts";
import type { Database } from "../database/engine.ts";
import { OperatorError } from "../errors.ts";
import type { Identity } from "../identity/identity.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time.ts";
import { createEmbeddedLink } from "./embedded.ts";
import { createExternalLink } from "./external.ts";
import type { MqttLink } from "./link.ts";
import { createOffLink } from "./off.ts";

export interface OpenMqttOptions {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly database: Database;
  readonly identity: Pick<Identity, "verify">;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** The configured link: to an external broker, the embedded one, or none. Nothing connects or listens yet. */
export async function openMqtt(options: OpenMqttOptions): Promise<MqttLink> {
  const { config, folder, database, identity, log, metrics, clock } = options;
  const { mqtt } = config;
  if (mqtt.kind === "off") return createOffLink({ clock });
  if (mqtt.kind === "external")
    return createExternalLink({ config: mqtt, clientId: clientId(folder), log, metrics, clock });
  const port = await choosePort(mqtt.host, mqtt.port, folder, log);
  return createEmbeddedLink({
    host: mqtt.host,
    port,
    anonymous: mqtt.anonymous,
    database,
    log,
    metrics,
    clock,
    authenticate: (name, secret, address) => identity.verify(name, secret, address),
  });
}

/** Names our session on an external broker; another server with the same name would throw us off again and again. */
function clientId(folder: DataFolder): string {
  const kept = folder.kept.find("mqttClientId");
  if (typeof kept === "string") return kept;
  const made = `busbar-${crypto.randomUUID().slice(0, 13)}`;
  folder.kept.put("mqttClientId", made);
  return made;
}

const furthest = 100;

/**
 * The configured port, or the next free one. What was chosen stays: devices are told a port once.
 * @throws OperatorError when none of the next 100 is free
 */
async function choosePort(host: string, wanted: number, folder: DataFolder, log: Log): Promise<number> {
  const name = `mqttPort:${wanted}`;
  const kept = folder.kept.findNumber(name);
  const candidates = [kept ?? wanted, ...Array.from({ length: furthest }, (_, index) => wanted + index)];
  for (const port of candidates) {
    if (port > 65_535 || !(await isFree(host, port))) continue;
    if (port !== wanted && port !== kept) {
      folder.kept.put(name, port);
      log.warn(`MQTT port ${wanted} is taken; the embedded broker uses ${port} from now on`);
    }
    return port;
  }
  throw new OperatorError(
    `BUSBAR_MQTT_PORT: no port from ${wanted} to ${wanted + furthest - 1} is free on ${host}.`,
  );
}

function isFree(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once("error", () => resolve(false));
  probe.listen({ host, port }, () => probe.close(() => resolve(true)));
  return promise;
}
