import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { RunningSite, SiteOptions } from "../demo/run.ts";
import type { Config } from "../kernel/config/config.ts";
import { DataFolder } from "../kernel/config/data-folder.ts";
import { loadConfig } from "../kernel/config/load.ts";
import { OperatorError } from "../kernel/errors.ts";
import { createLog } from "../kernel/observe/log.ts";
import { defineCommand, type Values } from "./command.ts";
import type { Io } from "./io.ts";

/** How long a server may take to answer what it has begun and to flush. */
const drainMs = 10_000;
const userName = "demo";

const options = {
  data: {
    type: "string",
    value: "PATH",
    description: "Data folder of the demo's server; default ./data/demo",
  },
  url: { type: "string", value: "URL", description: "Only the site, against this running server" },
  mqtt: {
    type: "string",
    value: "URL",
    description: "With --url: its broker, like mqtt://name:password@host:1883",
  },
  token: { type: "string", value: "TOKEN", description: "With --url: an API token of a superuser" },
  name: { type: "string", value: "NAME", description: "Name of the connector; default demo-site" },
  seed: { type: "string", value: "NUMBER", description: "Another number, another site; default 1" },
  days: { type: "string", value: "NUMBER", description: "Days of history at the first start; default 30" },
  every: { type: "string", value: "SECONDS", description: "Between two rounds of values; default 10" },
} as const;

type DemoValues = Values<typeof options>;

export const demo = defineCommand({
  name: "demo",
  summary: "Runs a server with a simulated site and 30 days of history, or the site alone (--url).",
  options,
  run: async (values, _positionals, io) => {
    const site = siteOptions(values, io);
    return values.url === undefined ? runBoth(values, site, io) : runSite(values.url, values, site, io);
  },
});

type Shared = Pick<SiteOptions, "name" | "seed" | "days" | "every" | "report">;

const siteOptions = (values: DemoValues, io: Io): Shared => ({
  ...(values.name === undefined ? {} : { name: nameFrom(values.name) }),
  seed: numberFrom("seed", values.seed ?? "1", 0, 2 ** 31),
  days: numberFrom("days", values.days ?? "30", 1, 400),
  every: numberFrom("every", values.every ?? "10", 0.1, 86_400) * 1000,
  report: (line) => io.out(line),
});

function numberFrom(option: string, text: string, least: number, most: number): number {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (number >= least && number <= most) return number;
  throw new OperatorError(`--${option} ${text}: it must be a number from ${least} to ${most}.`);
}

function nameFrom(text: string): string {
  if (text !== "" && !/[/+#]/.test(text)) return text;
  throw new OperatorError(`--name ${text}: a connector's name must not be empty or hold /, + or #.`);
}

/** The site alone, against a server that runs already. */
async function runSite(url: string, values: DemoValues, shared: Shared, io: Io): Promise<number> {
  const { mqtt, token } = values;
  if (mqtt === undefined || token === undefined)
    throw new OperatorError("--url needs --mqtt and --token too. Try: busbar demo --help");
  for (const [option, text] of Object.entries({ url, mqtt }))
    if (!URL.canParse(text)) throw new OperatorError(`--${option} ${text}: it must be a URL.`);
  const stopRequested = io.stopRequested();
  const { startSite } = await import("../demo/run.ts");
  await using site = await startSite({ ...shared, url, mqttUrl: mqtt, authorization: `Bearer ${token}` });
  for (const line of greeting(site, url, `-H 'Authorization: Bearer ${token}'`)) io.out(line);
  await stopRequested;
  return 0;
}

/** A server of its own and the site. */
async function runBoth(values: DemoValues, shared: Shared, io: Io): Promise<number> {
  const { config, folder, password } = prepare(values.data ?? "./data/demo", io);
  using _lock = folder.lock();
  const stopRequested = io.stopRequested();
  // Loaded here, so that the small commands do not wait for it.
  const { startServer } = await import("../server.ts");
  const { startSite } = await import("../demo/run.ts");
  const server = await startServer(config, { folder, log: createLog(config.log.level) });
  const [url = ""] = server.urls;
  io.out(server.summary.join("\n"));
  const { address } = server.kernel.mqtt.status;
  const credentials = `${config.identity.superuser?.name ?? userName}:${password}`;
  try {
    await using site = await startSite({
      ...shared,
      url,
      authorization: `Basic ${Buffer.from(credentials).toString("base64")}`,
      // From this machine the built-in broker asks for no name.
      mqttUrl: `mqtt://127.0.0.1:${address.slice(address.lastIndexOf(":") + 1)}`,
    });
    const user = config.identity.superuser?.name ?? userName;
    io.out(`Sign in as ${user} with the password ${password}`);
    for (const line of greeting(site, url, `-u ${credentials}`)) io.out(line);
    await stopRequested;
  } finally {
    await Promise.race([server.close(), delay(drainMs, undefined, { ref: false })]);
  }
  return 0;
}

interface Prepared {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly password: string;
}

/** The operator's configuration, but with data, database, broker and superuser of the demo's own. */
function prepare(data: string, io: Io): Prepared {
  const env = { LOGLEVEL: "WARNING", ...io.env, BUSBAR_DATA_DIR: data, MQTT_BROKER_HOST: "" };
  const { config } = loadConfig(env, io.folder);
  if (config.mqtt.kind !== "embedded")
    throw new OperatorError("BUSBAR_MQTT_PORT=0: the demo needs the built-in broker.");
  const folder = DataFolder.open(config.dataDir);
  const superuser = config.identity.superuser ?? {
    name: userName,
    password: keptPassword(folder),
    email: "",
  };
  return {
    folder,
    password: superuser.password,
    config: {
      ...config,
      database: { engine: "sqlite", file: folder.file("busbar.db") },
      identity: { ...config.identity, superuser },
    },
  };
}

/** Made once: the second start has to know it again. */
function keptPassword(folder: DataFolder): string {
  const kept = folder.kept.find("demoPassword");
  if (typeof kept === "string") return kept;
  const made = randomBytes(12).toString("base64url");
  folder.kept.put("demoPassword", made);
  return made;
}

function greeting(site: RunningSite, url: string, credentials: string): readonly string[] {
  const curl = `curl -s ${credentials}`;
  const power = site.idOf("pv/power");
  const setpoint = site.idOf("heat_pump/room_setpoint");
  return [
    `The simulated site ${site.name} is connected; ${site.imported.toLocaleString("en")} values were put into its history.`,
    "Try (Ctrl-C ends it):",
    `  ${curl} ${url}/datapoint/last_value/`,
    `  ${curl} '${url}/datapoint/${power}/value/?interval=1%20day'`,
    `  ${curl} -H 'Content-Type: application/json' -d "{\\"value\\":\\"23\\",\\"timestamp\\":$(date +%s)000}" ${url}/datapoint/${setpoint}/value/`,
  ];
}
