import { join } from "node:path";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import { openDatabase } from "../src/kernel/database/open.ts";
import { openTimeSeries } from "../src/kernel/timeseries/open.ts";
import { askChild } from "./child.ts";
import { below, type Figure } from "./figures.ts";
import type { HttpTask, TimedResult } from "./http-load.ts";
import { type Bench, BenchServer, basic } from "./server.ts";
import { spacing, start } from "./store-data.ts";
import { clock, createStreams, ingest, log, streamCount } from "./store-work.ts";
import { walk } from "./walks.ts";

const formats = ["json", "csv"] as const;

/** Hourly means of 1,000 streams on one axis, through the server: `GET /streams/query`. */
export async function alignedFigures(bench: Bench): Promise<readonly Figure[]> {
  const { quick, newDatabase } = bench;
  const here = await measure(quick, undefined);
  const figures: Figure[] = here.map((measured) => ({
    ...measured,
    unit: "ms",
    target: below(60),
  }));
  if (newDatabase === undefined) return figures;
  const there = await measure(quick, await newDatabase());
  const ratios = there.map(({ name, value }, i): Figure => {
    const floor = { name: "SQLite", value: here[i]?.value ?? Number.NaN };
    return { name: `${name}, PostgreSQL`, value, unit: "ms", target: below(3 * floor.value), floor };
  });
  return [...figures, ...ratios];
}

interface Measured {
  readonly name: string;
  /** Milliseconds. */
  readonly value: number;
}

/** In the order of the formats. */
async function measure(quick: boolean, postgres: string | undefined): Promise<readonly Measured[]> {
  const points = quick ? 2500 : 10_000;
  const env: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: postgres };
  await using server = await BenchServer.start({ quick }, env);
  await server.end();
  const ids = await filled(
    postgres === undefined
      ? { engine: "sqlite", file: join(server.dataFolder, "busbar.db") }
      : { engine: "postgres", connectionString: postgres },
    points,
  );
  await server.start();
  const range = `from=${start / 1000}&to=${(start + points * spacing) / 1000}`;
  const measured: Measured[] = [];
  for (const format of formats) {
    const path = `/streams/query?${range}&interval=1%20hour&agg=avg&format=${format}&ids=${ids.join(",")}`;
    const request = { method: "GET", path, headers: { authorization: basic } };
    const rounds = quick ? 12 : 30;
    const task: HttpTask = { kind: "timed", port: server.port, requests: [request], rounds };
    const { median, bytes } = await askChild<TimedResult>("./http-load.ts", task);
    const what = `hourly means of 1,000 streams × ${points.toLocaleString("en")} points on one axis`;
    measured.push({ name: `${what}, ${format} (${Math.round(bytes / 1000)} kB)`, value: median });
  }
  return measured;
}

/** Into the database of a server that is not running. */
async function filled(config: DatabaseConfig, points: number): Promise<readonly number[]> {
  await using database = await openDatabase(config, log);
  await using store = await openTimeSeries({ database, log, clock, options: {} });
  const ids = await createStreams({ database, store });
  for (const id of ids) await ingest(store, [...walk(id, points)]);
  await store.compact();
  if (ids.length !== streamCount) throw new Error("There are other streams.");
  return ids;
}
