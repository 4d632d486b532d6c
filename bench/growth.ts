import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import { startBusbar } from "../test/busbar.ts";
import { temporaryFolder } from "../test/services/service.ts";
import { askChild } from "./child.ts";
import { below, type Figure } from "./figures.ts";
import { serverGrowth } from "./growth-server.ts";
import type { GrowthTask, HistoryResult, IngestResult, OpenResult } from "./growth-store.ts";
import type { Bench } from "./server.ts";

/** Of the shortest history: what differs less is the machine's noise. */
const sameWithin = 1.5;
const longest = 3_600_000;

const ask = <T>(task: GrowthTask): Promise<T> => askChild<T>("./growth-store.ts", task, longest);

/** What grows with streams, with history and under load. */
export async function growthFigures(bench: Bench): Promise<readonly Figure[]> {
  return [
    ...(await idleFigures(bench)),
    ...(await historyFigures(bench)),
    ...(await ingestFigures(bench)),
    ...(await serverGrowth(bench)),
  ];
}

async function idleFigures(bench: Bench): Promise<readonly Figure[]> {
  const streams = bench.quick ? 100_000 : 1_000_000;
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(data);
  const connectionString = await bench.newDatabase?.();
  const config: DatabaseConfig =
    connectionString === undefined
      ? { engine: "sqlite", file: join(data, "busbar.db") }
      : { engine: "postgres", connectionString };
  await ask({ kind: "fill", config, streams });
  const { millis, opened, read } = await ask<OpenResult>({ kind: "open", config, streams });
  using empty = temporaryFolder();
  const emptyStart = await serverStart(empty.path, undefined);
  const name = `growth: ${streams.toLocaleString("en")} idle streams`;
  return [
    { name: `${name}, open`, value: millis, unit: "ms", target: below(3000) },
    { name: `${name}, memory each`, value: opened / streams, unit: "bytes", target: below(300) },
    {
      name: `${name}, memory each when all were read`,
      value: read / streams,
      unit: "bytes",
      target: below(300),
    },
    {
      name: `${name}, start of the server`,
      value: await serverStart(folder.path, connectionString),
      unit: "ms",
      target: below(emptyStart + 3000),
      floor: { name: "without any", value: emptyStart },
    },
  ];
}

/** From the command line to the summary. */
async function serverStart(folder: string, url: string | undefined): Promise<number> {
  const from = performance.now();
  await using _server = await startBusbar({
    folder,
    env: {
      BUSBAR_DATA_DIR: join(folder, "data"),
      BUSBAR_HOST: "127.0.0.1",
      BUSBAR_HTTP_PORT: "0",
      BUSBAR_HTTPS_PORT: "0",
      BUSBAR_EXTRA_HTTP_PORTS: "",
      BUSBAR_MQTT_PORT: "0",
      ...(url === undefined ? {} : { DATABASE_URL: url }),
    },
  });
  return performance.now() - from;
}

async function historyFigures({ quick }: Bench): Promise<readonly Figure[]> {
  using folder = temporaryFolder();
  // A day of a stream is 8.6 million points in.
  const lengths = quick ? [9_000_000, 18_000_000] : [9_000_000, 30_000_000, 100_000_000];
  const file = join(folder.path, "history.db");
  const results = await ask<readonly HistoryResult[]>({ kind: "history", file, lengths });
  const [first] = results;
  return results.flatMap(({ points, ...now }) => {
    const name = (what: string) => `growth: ${what} at ${points / 1e6} million points`;
    const figure = (what: string, key: "latest" | "day" | "hours"): Figure => ({
      name: name(what),
      value: now[key],
      unit: "ms",
      target: below(sameWithin * (first?.[key] ?? 0)),
    });
    return [
      {
        name: name("append"),
        value: now.rate,
        unit: "points/s",
        target: { value: (first?.rate ?? 0) / sameWithin, better: "more" } as const,
      },
      figure("latest of 1,000 streams", "latest"),
      figure("newest day of a stream", "day"),
      figure("that day in hours", "hours"),
    ];
  });
}

async function ingestFigures({ quick }: Bench): Promise<readonly Figure[]> {
  using folder = temporaryFolder();
  const points = quick ? 10_000_000 : 50_000_000;
  const file = join(folder.path, "ingest.db");
  const result = await ask<IngestResult>({ kind: "ingest", file, points });
  const name = `growth: store, ${points / 1e6} million points at full rate`;
  return [
    { name: `${name}, rate`, value: result.rate, unit: "points/s" },
    { name: `${name}, memory at most`, value: result.memory / 2 ** 20, unit: "MB", target: below(300) },
    { name: `${name}, event loop delay p99.9`, value: result.loopDelay, unit: "ms", target: below(20) },
    {
      name: `${name}, a day and latest of 1,000, p99`,
      value: result.read,
      unit: "ms",
      target: below(2 * result.idleRead),
      floor: { name: "idle", value: result.idleRead },
    },
  ];
}
