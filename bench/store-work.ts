import { setTimeout as delay } from "node:timers/promises";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import type { Database } from "../src/kernel/database/engine.ts";
import { migrate } from "../src/kernel/database/migrate.ts";
import { openDatabase } from "../src/kernel/database/open.ts";
import { Problem } from "../src/kernel/errors.ts";
import { createLog } from "../src/kernel/observe/log.ts";
import type { LogStructuredStore } from "../src/kernel/timeseries/log-structured-store.ts";
import { type OpenOptions, openTimeSeries, timeseriesMigrations } from "../src/kernel/timeseries/open.ts";
import { allTime, type PointBatch } from "../src/kernel/timeseries/types.ts";
import { type DataSet, spacing, start } from "./store-data.ts";

export const streamCount = 1000;
/** Callers that each wait for their append before the next, like connections. */
const callers = 4;
export const log = createLog("silent");
export const clock = { now: () => Date.UTC(2027, 0, 1) };
/** No compaction, no bound. */
export const untouched: OpenOptions = {
  compactPoints: 1e9,
  compactBytes: 1e12,
  maxTailPoints: 1e9,
  maxTailBytes: 1e12,
};

export interface Opened extends AsyncDisposable {
  readonly database: Database;
  readonly store: LogStructuredStore;
}

export async function open(config: DatabaseConfig, options: OpenOptions = {}): Promise<Opened> {
  const database = await openDatabase(config, log);
  await migrate(database, timeseriesMigrations);
  const store = await openTimeSeries({ database, log, clock, options });
  return {
    database,
    store,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

export async function createStreams({
  database,
  store,
}: Pick<Opened, "database" | "store">): Promise<number[]> {
  const definitions = Array.from({ length: streamCount }, (_, i) => ({
    owner: "bench",
    key: `${i}`,
    mode: "history" as const,
    unit: "",
    labels: {},
  }));
  return (await database.write((tx) => store.streams.ensure(tx, definitions))).map(({ id }) => id);
}

/** Appends all batches, each acknowledged as durable; points per second. */
export async function ingest(store: LogStructuredStore, batches: readonly PointBatch[]): Promise<number> {
  let next = 0;
  const caller = async () => {
    for (let batch = batches[next++]; batch; batch = batches[next++]) await insist(store, batch);
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - started) / 1000;
  return batches.reduce((sum, { count }) => sum + count, 0) / seconds;
}

/** Sends again when the store is busy, as every client does. */
export async function insist(store: LogStructuredStore, batch: PointBatch): Promise<void> {
  for (;;) {
    try {
      await store.append(batch);
      return;
    } catch (error) {
      if (!(error instanceof Problem && error.code === "store-busy")) throw error;
      await delay(10);
    }
  }
}

/** Reads some streams back and compares every point. */
export async function verify(store: LogStructuredStore, data: DataSet): Promise<void> {
  for (let stream = 0; stream < streamCount; stream += 97) {
    const id = data.ids[stream];
    const expected: number[] = [];
    for (let i = 0; i < data.points; i++)
      if (data.streams[i] === id) expected.push(data.times[i] as number, data.values[i] as number);
    const found: number[] = [];
    for await (const { times, values } of store.read(id ?? 0, allTime))
      for (let i = 0; i < times.length; i++) found.push(times[i] as number, values[i] as number);
    if (found.length !== expected.length || found.some((value, i) => value !== expected[i]))
      throw new Error(`Stream ${id} came back with other points than were stored.`);
  }
}

export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return performance.now() - started;
};

/** A day of one stream as the JSON of a REST answer. */
export async function dayAsJson(store: LogStructuredStore, stream: number): Promise<string> {
  const points: { timestamp: number; value: number }[] = [];
  const day = { from: start, to: start + 8640 * spacing };
  for await (const { times, values } of store.read(stream, day))
    for (let i = 0; i < times.length; i++)
      points.push({ timestamp: (times[i] as number) / 1000, value: values[i] as number });
  return JSON.stringify(points);
}
