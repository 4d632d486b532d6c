/** `npm run bench -- [--quick] [--only=store,mqtt,live,http,growth] [--postgres]`: measures and prints one table. Loopback only; ends by itself. */
import { parseArgs } from "node:util";
import { startPostgres } from "../test/services/postgres.ts";
import { temporaryFolder } from "../test/services/service.ts";
import { type Figure, tableOf, unmet } from "./figures.ts";
import { machineFacts } from "./machine.ts";
import type { Bench } from "./server.ts";

const parts = {
  store: async (bench) => (await import("./store-part.ts")).storeFigures(bench),
  mqtt: async (bench) => (await import("./mqtt.ts")).mqttFigures(bench),
  live: async (bench) => (await import("./live.ts")).liveFigures(bench),
  http: async (bench) => (await import("./http.ts")).httpFigures(bench),
  growth: async (bench) => (await import("./growth.ts")).growthFigures(bench),
} satisfies Record<string, (bench: Bench) => Promise<readonly Figure[]>>;

type Part = keyof typeof parts;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    postgres: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const names = Object.keys(parts) as Part[];
const asked = values.only?.split(",") ?? names;
const unknown = asked.filter((name) => !names.some((known) => known === name));
if (unknown.length > 0) {
  console.error(`--only=${values.only}: the parts are ${names.join(", ")}.`);
  process.exit(2);
}

{
  using folder = temporaryFolder();
  for (const fact of await machineFacts(folder.path)) console.log(fact);
}
await using postgres = values.postgres ? await startPostgres({ fsync: true }) : undefined;
const bench: Bench = {
  quick: values.quick,
  ...(postgres === undefined ? {} : { newDatabase: () => postgres.createDatabase() }),
};
if (postgres !== undefined) console.log("the server's database is PostgreSQL on this machine, fsync on");
const figures: Figure[] = [];
for (const name of names.filter((known) => asked.includes(known))) {
  console.error(`measuring ${name} ...`);
  figures.push(...(await parts[name](bench)));
}
console.log(`\n${tableOf(figures)}\n`);
const missed = unmet(figures);
console.log(missed.length === 0 ? "All targets are met." : `${missed.length} target(s) missed.`);
