import fc from "fast-check";
import { expect, test } from "vitest";
import { describeEachEngine, type TestEngine } from "../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../test/proof/runs.ts";
import type { Database } from "../database/engine.ts";
import { createLog } from "../observe/log.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { type OpenOptions, openTimeSeries, timeseriesMigrations } from "./open.ts";
import {
  allTime,
  latestHorizon,
  type Point,
  type PointValue,
  type StreamId,
  type TimeRange,
} from "./types.ts";

/** Random histories against a plain Map: every read equal, whatever was compacted, closed or cut off in between. */

const now = Date.UTC(2026, 0, 1);
const streamCount = 3;
/** Some of the times lie beyond now + 5 minutes. */
const time = fc.oneof(
  fc.integer({ min: -60, max: 20 }).map((step) => now * 1000 + step * 20_000_000),
  fc.constantFrom(
    Number.MIN_SAFE_INTEGER + 1,
    -1,
    0,
    now * 1000 + latestHorizon,
    Number.MAX_SAFE_INTEGER - 1,
  ),
);
const value: fc.Arbitrary<PointValue> = fc.oneof(
  fc.integer({ min: -500, max: 500 }).map((cents) => cents / 100),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom("null", "true", '"21.5"', '{"a":[1]}', '"ü€"'),
);
const stream = fc.integer({ min: 0, max: streamCount - 1 });
const range = fc.tuple(time, time).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

type Command =
  | { readonly kind: "append"; readonly points: readonly (readonly [number, number, PointValue])[] }
  | { readonly kind: "ramp"; readonly stream: number; readonly from: number; readonly count: number }
  | { readonly kind: "put"; readonly points: readonly (readonly [number, number, PointValue])[] }
  | { readonly kind: "delete"; readonly stream: number; readonly range: TimeRange }
  | { readonly kind: "drop"; readonly stream: number }
  | { readonly kind: "compact" }
  | { readonly kind: "reopen" };

const points = fc.array(fc.tuple(stream, time, value), { minLength: 1, maxLength: 12 });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: points.map((list) => ({ kind: "append" as const, points: list })) },
  { weight: 2, arbitrary: points.map((list) => ({ kind: "put" as const, points: list })) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("ramp" as const),
      stream,
      from: time,
      count: fc.integer({ min: 1, max: 3000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream, range }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), stream }) },
  { weight: 3, arbitrary: fc.constant({ kind: "compact" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

class Model {
  readonly points = Array.from({ length: streamCount }, () => new Map<number, PointValue>());
  readonly high: number[] = Array.from({ length: streamCount }, () => Number.NEGATIVE_INFINITY);

  set(at: number, when: number, what: PointValue): void {
    this.points[at]?.set(when, what);
    this.high[at] = Math.max(this.high[at] ?? 0, when);
  }

  delete(at: number, { from, to }: TimeRange): void {
    const points = this.points[at];
    for (const when of points?.keys() ?? []) if (when >= from && when < to) points?.delete(when);
  }

  replace(at: number): void {
    this.points[at] = new Map();
    this.high[at] = Number.NEGATIVE_INFINITY;
  }

  list(at: number, { from, to }: TimeRange): Point[] {
    return [...(this.points[at] ?? [])]
      .filter(([when]) => when >= from && when < to)
      .sort(([a], [b]) => a - b)
      .map(([when, what]) => ({ time: when, value: what }));
  }

  latest(at: number): Point | undefined {
    return this.list(at, { from: allTime.from, to: now * 1000 + latestHorizon + 1 }).at(-1);
  }
}

/** A store under test, which can be closed and opened again. */
class Subject {
  readonly #engine: TestEngine;
  readonly #options: OpenOptions;
  database: Database;
  store: LogStructuredStore;
  ids: StreamId[] = [];
  #created = 0;

  constructor(engine: TestEngine, options: OpenOptions, database: Database, store: LogStructuredStore) {
    this.#engine = engine;
    this.#options = options;
    this.database = database;
    this.store = store;
  }

  static async open(engine: TestEngine, options: OpenOptions): Promise<Subject> {
    const database = await engine.open({ migrations: timeseriesMigrations });
    const subject = new Subject(engine, options, database, await openStore(database, options));
    for (let i = 0; i < streamCount; i++) subject.ids.push(await subject.create());
    return subject;
  }

  async create(): Promise<StreamId> {
    const key = `s${this.#created++}`;
    const [created] = await this.database.write((tx) =>
      this.store.streams.ensure(tx, [{ owner: "test", key, mode: "history", unit: "", labels: {} }]),
    );
    return created?.id ?? 0;
  }

  async reopen(): Promise<void> {
    await this.close();
    this.database = await this.#engine.reopen(this.database);
    this.store = await openStore(this.database, this.#options);
  }

  async close(): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }
}

const openStore = (database: Database, options: OpenOptions) =>
  openTimeSeries({ database, log: createLog("silent"), clock: { now: () => now }, options });

async function run(subject: Subject, model: Model, step: Command): Promise<void> {
  const { store, ids } = subject;
  const id = (at: number) => ids[at] ?? 0;
  if (step.kind === "append" || step.kind === "ramp") {
    const list = step.kind === "append" ? step.points : ramp(step);
    for (const point of list) model.set(...point);
    await store.append(batch(list, id));
  } else if (step.kind === "put") {
    for (const point of step.points) model.set(...point);
    await Promise.all(step.points.map(([at, when, what]) => store.put(id(at), when, what)));
  } else if (step.kind === "delete") {
    model.delete(step.stream, step.range);
    await store.deleteRange(id(step.stream), step.range);
  } else if (step.kind === "drop") {
    const gone = id(step.stream);
    await subject.database.write((tx) => store.dropStreams(tx, [gone]));
    await store.append(batch([[0, now * 1000, 1]], () => gone));
    expect(await pointsOf(store, gone, allTime)).toEqual([]);
    ids[step.stream] = await subject.create();
    model.replace(step.stream);
  } else if (step.kind === "compact") await store.compact();
  else await subject.reopen();
}

const ramp = (step: { stream: number; from: number; count: number }): (readonly [number, number, number])[] =>
  Array.from(
    { length: step.count },
    (_, i) => [step.stream, step.from + i * 500_000, i / 10] as const,
  ).filter(([, when]) => when < Number.MAX_SAFE_INTEGER);

const batch = (list: readonly (readonly [number, number, PointValue])[], id: (at: number) => StreamId) => ({
  count: list.length,
  streams: list.map(([at]) => id(at)),
  times: list.map(([, when]) => when),
  values: list.map(([, , what]) => (typeof what === "number" ? what : Number.NaN)),
  texts: new Map(list.flatMap(([, , what], i) => (typeof what === "string" ? [[i, what] as const] : []))),
});

async function pointsOf(store: LogStructuredStore, id: StreamId, wanted: TimeRange): Promise<Point[]> {
  const found: Point[] = [];
  for await (const { times, values, texts } of store.read(id, wanted))
    for (let i = 0; i < times.length; i++)
      found.push({ time: times[i] as number, value: texts?.get(i) ?? (values[i] as number) });
  return found;
}

async function compare({ store, ids }: Subject, model: Model, part: TimeRange): Promise<void> {
  for (const [at, id] of ids.entries()) {
    expect(store.highWater(id)).toBe(model.high[at]);
    const everything = model.list(at, allTime);
    expect(await pointsOf(store, id, allTime)).toEqual(everything);
    expect(await pointsOf(store, id, part)).toEqual(model.list(at, part));
    expect(await store.find(id, part.from)).toEqual(
      model.list(at, { from: part.from, to: part.from + 1 })[0],
    );
  }
  const latest = ids.map((_, at) => model.latest(at));
  expect(await store.latest(ids)).toEqual(latest);
  expect(await store.latest(ids)).toEqual(latest);
}

describeEachEngine("time-series store against a model", (engine) => {
  const histories = fc.array(fc.tuple(command, range), { minLength: 1, maxLength: 14 });

  test.each([
    { name: "one bucket", options: { compactPoints: 1e9 } },
    { name: "three buckets, compacting by itself", options: { buckets: 3, compactPoints: 400 } },
  ])("random histories: $name", { timeout: proofTimeout(120_000) }, async ({ options }) => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const model = new Model();
        const subject = await Subject.open(engine, options);
        try {
          for (const [step, part] of steps) {
            await run(subject, model, step);
            await compare(subject, model, part);
          }
        } finally {
          await subject.close();
          await engine.discard(subject.database);
        }
      }),
      { numRuns: engine.name === "sqlite" ? proofRuns(25, 0.3) : proofRuns(8, onPostgres) },
    );
  });
});
