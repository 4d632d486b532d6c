/** The store's growth, in a process of its own: `startChild("./growth-store.ts", task)`. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import { openDatabase } from "../src/kernel/database/open.ts";
import type { BucketQuery } from "../src/kernel/timeseries/buckets/query.ts";
import { openTimeSeries } from "../src/kernel/timeseries/open.ts";
import { answer, taskOf } from "./child.ts";
import { median, percentile } from "./figures.ts";
import { fillIdle } from "./growth-idle-data.ts";
import { randomFrom, spacing, start } from "./store-data.ts";
import {
  clock,
  createStreams,
  dayAsJson,
  insist,
  log,
  type Opened,
  open,
  streamCount,
  timed,
} from "./store-work.ts";

export type GrowthTask =
  | { readonly kind: "fill" | "open"; readonly config: DatabaseConfig; readonly streams: number }
  | { readonly kind: "history"; readonly file: string; readonly lengths: readonly number[] }
  | { readonly kind: "ingest"; readonly file: string; readonly points: number };

export interface OpenResult {
  readonly millis: number;
  /** Resident bytes that opening added, and those after the newest point of every stream was read. */
  readonly opened: number;
  readonly read: number;
}

/** What a store of so many points takes; milliseconds. */
export interface HistoryResult {
  readonly points: number;
  /** Points a second of the last million. */
  readonly rate: number;
  readonly latest: number;
  readonly day: number;
  readonly hours: number;
}

export interface IngestResult {
  readonly rate: number;
  /** Bytes, the most there were. */
  readonly memory: number;
  /** Milliseconds. */
  readonly loopDelay: number;
  readonly read: number;
  readonly idleRead: number;
}

const batchPoints = 10_000;
const callers = 4;
const stretch = 1_000_000;

async function openIdle(config: DatabaseConfig, streams: number): Promise<OpenResult> {
  await using database = await openDatabase(config, log);
  await database.ping();
  const before = process.memoryUsage.rss();
  const from = performance.now();
  await using store = await openTimeSeries({ database, log, clock });
  const millis = performance.now() - from;
  const opened = process.memoryUsage.rss() - before;
  for (let id = 1; id <= streams; id += streamCount) {
    const ids = Array.from({ length: streamCount }, (_, i) => id + i);
    await store.streams.prepare(ids);
    await store.latest(ids);
  }
  return { millis, opened, read: process.memoryUsage.rss() - before };
}

/** Random walks, step after step; each call of `next` gives the batch after the one before. */
class Points {
  made = 0;
  readonly #ids: readonly number[];
  readonly #random = randomFrom(1);
  readonly #cents: Int32Array;

  constructor(ids: readonly number[]) {
    this.#ids = ids;
    this.#cents = new Int32Array(ids.length);
  }

  next() {
    const streams = new Uint32Array(batchPoints);
    const times = new Float64Array(batchPoints);
    const values = new Float64Array(batchPoints);
    for (let i = 0; i < batchPoints; i++, this.made++) {
      const stream = this.made % this.#ids.length;
      const cents = (this.#cents[stream] ?? 0) + Math.floor(this.#random() * 41) - 20;
      this.#cents[stream] = cents;
      streams[i] = this.#ids[stream] ?? 0;
      times[i] = start + Math.floor(this.made / this.#ids.length) * spacing;
      values[i] = cents / 100;
    }
    return { count: batchPoints, streams, times, values };
  }
}

/** Points a second. */
async function append({ store }: Opened, points: Points, upTo: number): Promise<number> {
  const first = points.made;
  const from = performance.now();
  const caller = async () => {
    while (points.made < upTo) await insist(store, points.next());
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (points.made - first) / ((performance.now() - from) / 1000);
}

async function histories(file: string, lengths: readonly number[]): Promise<readonly HistoryResult[]> {
  await using opened = await open({ engine: "sqlite", file });
  const ids = await createStreams(opened);
  const points = new Points(ids);
  const results: HistoryResult[] = [];
  for (const length of lengths) {
    await append(opened, points, length - stretch);
    await opened.store.compact();
    const rate = await append(opened, points, length);
    await opened.store.compact();
    results.push({ points: length, rate, ...(await reads(opened, ids, length)) });
  }
  return results;
}

const hourly: Omit<BucketQuery, "streams" | "range"> = {
  interval: { kind: "fixed", width: 3_600_000_000 },
  zone: "UTC",
  figures: [{ kind: "aggregate", aggregate: "avg" }],
  fill: "null",
};

async function reads({ store }: Opened, ids: readonly number[], length: number) {
  const last = start + (length / streamCount) * spacing;
  const newestDay = { from: last - 86_400_000_000, to: last };
  const day = async (id: number) => {
    for await (const _ of store.read(id, newestDay));
  };
  const hours = async (id: number) => {
    for await (const _ of store.buckets({ ...hourly, streams: [id], range: newestDay }));
  };
  // The first look-ups are kept.
  await store.latest(ids);
  const medianOf = async (work: (id: number) => Promise<unknown>) => {
    const millis: number[] = [];
    for (let i = 0; i < 41; i++) millis.push(await timed(() => work(ids[(7 * i) % ids.length] ?? 0)));
    return median(millis);
  };
  return {
    latest: await medianOf(() => store.latest(ids)),
    day: await medianOf(day),
    hours: await medianOf(hours),
  };
}

/** Appends as fast as the store takes them; meanwhile a reader asks for a day and for what is newest. */
async function ingestAndRead(file: string, count: number): Promise<IngestResult> {
  await using opened = await open({ engine: "sqlite", file });
  const ids = await createStreams(opened);
  const points = new Points(ids);
  const { store } = opened;
  await append(opened, points, 10 * stretch);
  await store.compact();
  const idle: number[] = [];
  for (let i = 0; i < 300; i++) idle.push(await lookAround(store, ids, i));
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const busy: number[] = [];
  let done = false;
  const reader = async () => {
    for (let i = 0; !done; i++) {
      busy.push(await lookAround(store, ids, i));
      await delay(20);
    }
  };
  const reading = reader();
  const rate = await append(opened, points, points.made + count);
  done = true;
  await reading;
  return {
    rate,
    memory: process.resourceUsage().maxRSS * 1024,
    loopDelay: delays.percentile(99.9) / 1e6,
    read: percentile(busy, 0.99),
    idleRead: percentile(idle, 0.99),
  };
}

const lookAround = (store: Opened["store"], ids: readonly number[], turn: number): Promise<number> =>
  timed(async () => {
    await dayAsJson(store, ids[(7 * turn) % ids.length] ?? 0);
    await store.latest(ids);
  });

const task = taskOf<GrowthTask>();
if (task.kind === "fill") {
  await fillIdle(task.config, task.streams);
  answer({});
} else if (task.kind === "open") answer(await openIdle(task.config, task.streams));
else if (task.kind === "history") answer(await histories(task.file, task.lengths));
else if (task.kind === "ingest") answer(await ingestAndRead(task.file, task.points));
process.disconnect?.();
