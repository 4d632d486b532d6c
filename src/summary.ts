import type { HttpConfig } from "./kernel/config/config.ts";
import type { BoundAddress, BoundAddresses } from "./kernel/http/listeners.ts";
import type { LinkStatus } from "./kernel/mqtt/link.ts";

/** The base URLs a person on this machine can open: HTTP, HTTPS, then the extra ports. */
export function urlsOf(config: HttpConfig, bound: BoundAddresses): readonly string[] {
  const url = (scheme: string, address: BoundAddress) =>
    `${scheme}://${reachable(config.host)}:${address.port}`;
  return [
    url("http", bound.http),
    ...(bound.https ? [url("https", bound.https)] : []),
    ...bound.extra.map((address) => url("http", address)),
  ];
}

/** An address that means 'all' is no address to open. */
const reachable = (host: string): string => {
  if (["0.0.0.0", "::", ""].includes(host)) return "localhost";
  return host.includes(":") ? `[${host}]` : host;
};

export interface Summary {
  readonly version: string;
  readonly urls: readonly string[];
  readonly database: string;
  readonly mqtt: LinkStatus;
}

/** What the start prints. */
export function summarise({ version, urls, database, mqtt }: Summary): readonly string[] {
  return [
    `Busbar ${version} is running.`,
    `  Web       ${urls.join("  ")}`,
    `  API docs  ${urls[0] ?? ""}/docs`,
    `  Database  ${database}`,
    `  MQTT      ${mqttLine(mqtt)}`,
    "  Readable without an account: the index, the API document and its pages, the version and the health status; nothing else.",
  ];
}

function mqttLine(mqtt: LinkStatus): string {
  if (mqtt.kind === "off") return "off";
  if (mqtt.kind === "embedded") return `embedded broker on ${mqtt.address}`;
  if (mqtt.connected) return `connected to the broker ${mqtt.address}`;
  return `the broker ${mqtt.address} cannot be reached yet (${mqtt.reason ?? "no answer"}); tried again until it can`;
}
