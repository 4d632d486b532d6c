import type { Database } from "../src/kernel/database/engine.ts";
import { createLog } from "../src/kernel/observe/log.ts";
import type { LogStructuredStore } from "../src/kernel/timeseries/log-structured-store.ts";
import { type OpenOptions, openTimeSeries } from "../src/kernel/timeseries/open.ts";
import {
  allTime,
  type Point,
  type PointBatch,
  type PointValue,
  type StreamDefinition,
  type StreamId,
  type TimeRange,
} from "../src/kernel/timeseries/types.ts";

/** The clock of the tests of the store, and times relative to it. */
export const now = Date.UTC(2026, 0, 1);
export const seconds = (count: number): number => now * 1000 + count * 1_000_000;

export const openStore = (database: Database, options: OpenOptions = {}): Promise<LogStructuredStore> =>
  openTimeSeries({ database, log: createLog("silent"), clock: { now: () => now }, options });

/** Streams of the owner `test` with these keys. */
export async function createStreams(
  database: Database,
  store: LogStructuredStore,
  keys: readonly string[],
  mode: StreamDefinition["mode"] = "history",
): Promise<StreamId[]> {
  const definitions = keys.map((key) => ({ owner: "test", key, mode, unit: "°C", labels: { room: "1" } }));
  return (await database.write((tx) => store.streams.ensure(tx, definitions))).map(({ id }) => id);
}

export async function pointsOf(
  store: LogStructuredStore,
  stream: StreamId,
  range: TimeRange = allTime,
): Promise<Point[]> {
  const points: Point[] = [];
  for await (const { times, values, texts } of store.read(stream, range))
    for (let i = 0; i < times.length; i++)
      points.push({ time: times[i] as number, value: texts?.get(i) ?? (values[i] as number) });
  return points;
}

export const batchOf = (points: readonly (readonly [StreamId, number, PointValue])[]): PointBatch => ({
  count: points.length,
  streams: points.map(([stream]) => stream),
  times: points.map(([, time]) => time),
  values: points.map(([, , value]) => (typeof value === "number" ? value : Number.NaN)),
  texts: new Map(
    points.flatMap(([, , value], i) => (typeof value === "string" ? [[i, value] as const] : [])),
  ),
});
