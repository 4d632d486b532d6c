import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { describeEachEngine, type TestEngine } from "../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../test/proof/runs.ts";
import { expectSoundRollups } from "../../../test/rollups.ts";
import { batchOf, now } from "../../../test/store.ts";
import { StoreSubject } from "../../../test/store-subject.ts";
import { aggregateBuckets, aggregates } from "./buckets/aggregates.ts";
import { BucketColumns } from "./buckets/bucket-columns.ts";
import { duration } from "./buckets/duration.ts";
import { edgesBetween } from "./buckets/edges.ts";
import { fillGaps, fills } from "./buckets/fill.ts";
import type { Interval } from "./buckets/interval.ts";
import type { BucketFigure, BucketQuery } from "./buckets/query.ts";
import { summarizeRange } from "./buckets/rollup.ts";
import type { OpenOptions } from "./open.ts";
import { lowerBound } from "./pages.ts";
import type { PointValue, TimeRange } from "./types.ts";

/** Random histories, and random questions about them, against plain arithmetic over all points. */

const second = 1_000_000;
const minute = 60 * second;
const day = 1440 * minute;
const streamCount = 2;

const around = (unit: number, min: number, max: number) =>
  fc.integer({ min, max }).map((step) => now * 1000 + step * unit);
const time = fc.oneof(
  { weight: 4, arbitrary: around(20 * second, -100, 30) },
  { weight: 4, arbitrary: around(7 * minute, -1500, 200) },
  { weight: 2, arbitrary: around(day / 2, -300, 5) },
  { weight: 1, arbitrary: around(second, -31 * 86_400, 0) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 40_000 }).map((hours) => (hours - 700_000) * 60 * minute),
  },
  { weight: 1, arbitrary: fc.constantFrom(Number.MIN_SAFE_INTEGER + 1, -1, 0, Number.MAX_SAFE_INTEGER - 1) },
);
const value: fc.Arbitrary<PointValue> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -500, max: 500 }).map((cents) => cents / 100) },
  { weight: 2, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constantFrom("true", '"21.5"') },
);
const stream = fc.integer({ min: 0, max: streamCount - 1 });
const range = fc.tuple(time, time).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

/** What a device may send, point after point. */
const shapes = ["sawtooth", "walk", "counter", "float", "whole"] as const;
type Shape = (typeof shapes)[number];
const shaped = (shape: Shape, i: number): number => {
  if (shape === "sawtooth") return (i % 700) / 10;
  if (shape === "walk") return (2150 + ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % 401) - 200) / 100;
  if (shape === "counter") return (987_654_321_000 + 17 * i) / 1000;
  return shape === "float" ? Math.sin(i) : ((i * 7_919_993) % 60_000_000) - 30_000_000;
};

type Command =
  | { readonly kind: "append"; readonly points: readonly (readonly [number, number, PointValue])[] }
  | {
      readonly kind: "ramp";
      readonly stream: number;
      readonly from: number;
      readonly spacing: number;
      readonly isEven: boolean;
      readonly count: number;
      readonly shape: Shape;
      /** Stands in place of one of its values. */
      readonly stray: PointValue | undefined;
    }
  | { readonly kind: "delete"; readonly stream: number; readonly range: TimeRange }
  | { readonly kind: "drop"; readonly stream: number }
  | { readonly kind: "compact" }
  | { readonly kind: "reopen" };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      points: fc.array(fc.tuple(stream, time, value), { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("ramp" as const),
      stream,
      from: time,
      spacing: fc.constantFrom(second, 10 * second, 7 * minute),
      isEven: fc.boolean(),
      count: fc.integer({ min: 1, max: 2500 }),
      shape: fc.constantFrom(...shapes),
      stray: fc.option(fc.constantFrom<PointValue>(-0, 1 / 3, 1e300, 5e-324, 2 ** 52, "true"), {
        nil: undefined,
        freq: 4,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream, range }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), stream }) },
  { weight: 4, arbitrary: fc.constant({ kind: "compact" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

const interval: fc.Arbitrary<Interval> = fc.oneof(
  fc
    .constantFrom(10 * second, 5 * minute, 15 * minute, 20 * minute, 60 * minute, 420 * minute, day, 3 * day)
    .map((width) => ({ kind: "fixed" as const, width })),
  fc.constantFrom<Interval>(
    { kind: "civil", unit: "day", count: 1 },
    { kind: "civil", unit: "day", count: 7 },
    { kind: "civil", unit: "month", count: 1 },
    { kind: "civil", unit: "month", count: 12 },
  ),
);
const widthOf = (wanted: Interval) =>
  wanted.kind === "fixed" ? wanted.width : wanted.count * (wanted.unit === "day" ? day : 30 * day);

const figure: fc.Arbitrary<BucketFigure> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...aggregates).map((aggregate) => ({ kind: "aggregate" as const, aggregate })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("duration" as const),
      condition: fc.record({
        operator: fc.constantFrom("<", "<=", ">", ">=", "=", "!="),
        value: fc.constantFrom(0, 1, 2.5),
      }),
    }),
  },
);

/** Without the ids of the streams. */
type Question = Omit<BucketQuery, "streams">;

const question: fc.Arbitrary<Question> = fc
  .record({
    interval,
    from: time.filter((from) => Math.abs(from) < 8e15),
    buckets: fc.integer({ min: 1, max: 120 }),
    zone: fc.constantFrom(
      ...["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"],
      ...["Europe/Amsterdam", "Africa/Monrovia"],
    ),
    offset: fc.constantFrom(0, 0, 6 * 60 * minute, -second),
    figures: fc.array(figure, { minLength: 1, maxLength: 4 }),
    fill: fc.constantFrom(...fills),
  })
  .map(({ from, buckets, ...rest }) => ({
    ...rest,
    range: { from, to: Math.min(9e15, from + 1 + (buckets - 1) * widthOf(rest.interval)) },
  }))
  .filter((query) => query.range.from < query.range.to);

class Model {
  points = new Map<number, PointValue>();

  columns(query: Question): readonly Float64Array[] {
    const points = [...this.points].sort(([a], [b]) => a - b);
    const times = Float64Array.from(points, ([when]) => when);
    const values = Float64Array.from(points, ([, what]) => (typeof what === "number" ? what : Number.NaN));
    const edges = edgesBetween(query.interval, query.zone, query.range, { offset: query.offset ?? 0 });
    const bounds = Array.from(edges, (edge) => lowerBound(times, edge));
    const lastNumber = (end: number) => values.subarray(0, end).findLast((known) => !Number.isNaN(known));
    const until = Math.max(now * 1000, times.at(-1) ?? 0);
    return query.figures.map((wanted) => {
      const column =
        wanted.kind === "aggregate"
          ? aggregateBuckets(
              wanted.aggregate,
              edges,
              bounds.slice(1).map((to, i) => {
                const from = bounds[i] ?? 0;
                return to > from ? summarizeRange(times, values, from, to) : undefined;
              }),
              lastNumber(bounds[0] ?? 0),
              until,
            )
          : Float64Array.from(bounds.slice(1), (to, i) => {
              const from = edges[i] ?? 0;
              const within = { from, to: Math.min(edges[i + 1] ?? 0, until) };
              const low = bounds[i] ?? 0;
              if (within.to <= from) return Number.NaN;
              const carried = lastNumber(low);
              const met = duration(times, values, low, to, within, carried, meetsOf(wanted.condition));
              return met === null ? Number.NaN : met / second;
            });
      return fillGaps(query.fill, edges, column);
    });
  }
}

const meetsOf =
  ({ operator, value: limit }: { operator: string; value: number }) =>
  (known: number): boolean =>
    (known < limit && operator.startsWith("<")) ||
    (known > limit && operator.startsWith(">")) ||
    (known === limit ? operator.endsWith("=") && operator !== "!=" : operator === "!=");

/** A store under test, and what it should hold. */
class Subject {
  readonly #tested: StoreSubject;
  readonly models = Array.from({ length: streamCount }, () => new Model());

  private constructor(tested: StoreSubject) {
    this.#tested = tested;
  }

  static async open(engine: TestEngine, options: OpenOptions): Promise<Subject> {
    return new Subject(await StoreSubject.open(engine, options, streamCount));
  }

  async run(step: Command): Promise<void> {
    const { store } = this.#tested;
    if (step.kind === "append") await this.#append(step.points);
    else if (step.kind === "ramp") await this.#append(ramp(step));
    else if (step.kind === "delete") {
      const points = this.models[step.stream]?.points;
      const { from, to } = step.range;
      for (const when of points?.keys() ?? []) if (when >= from && when < to) points?.delete(when);
      await store.deleteRange(this.#tested.id(step.stream), step.range);
    } else if (step.kind === "drop") {
      await this.#tested.replace(step.stream);
      this.models[step.stream]?.points.clear();
    } else if (step.kind === "compact") await store.compact();
    else await this.#tested.reopen();
  }

  async #append(points: readonly (readonly [number, number, PointValue])[]): Promise<void> {
    for (const [at, when, what] of points) this.models[at]?.points.set(when, what);
    await this.#tested.store.append(
      batchOf(points.map(([at, when, what]) => [this.#tested.id(at), when, what] as const)),
    );
  }

  async expectSoundRollups(): Promise<void> {
    await this.#tested.store.compact();
    await expectSoundRollups(this.#tested.database);
  }

  discard(): Promise<void> {
    return this.#tested.discard();
  }

  async expectEqual(asked: Question): Promise<void> {
    const { figures } = asked;
    const { store, ids } = this.#tested;
    const expected = this.models.flatMap((model) => model.columns(asked));
    const found = expected.map((): number[] => []);
    const edges: number[] = [];
    for await (const table of store.buckets({ ...asked, streams: ids })) {
      expect(table.columns).toHaveLength(ids.length * figures.length);
      expect(edges.pop() ?? table.edges[0]).toBe(table.edges[0]);
      edges.push(...table.edges);
      for (const [i, column] of table.columns.entries()) found[i]?.push(...column);
    }
    expect(edges).toEqual([
      ...edgesBetween(asked.interval, asked.zone, asked.range, { offset: asked.offset ?? 0 }),
    ]);
    // `toEqual` tells -0 from 0, and takes NaN for NaN.
    expect(found).toEqual(expected.map((column) => [...column]));
  }
}

const ramp = ({ stream: at, from, spacing, isEven, count, shape, stray }: Command & { kind: "ramp" }) =>
  Array.from({ length: count }, (_, i) => {
    const late = isEven ? 0 : (Math.imul(i, 0x9e3779b1) >>> 12) % spacing;
    const what = stray !== undefined && i === count >> 1 ? stray : shaped(shape, i);
    return [at, from + i * spacing + late, what] as const;
  }).filter(([, when]) => when < Number.MAX_SAFE_INTEGER);

describeEachEngine("bucketed reads of chunks", (engine) => {
  test("take the integers as they lie there, except where the tail has something", async () => {
    const subject = await Subject.open(engine, { compactPoints: 1e9 });
    const addRun = vi.spyOn(BucketColumns.prototype, "addRun");
    const addPoints = vi.spyOn(BucketColumns.prototype, "addPoints");
    const from = now * 1000 - 10 * day;
    const walk = { kind: "ramp", stream: 0, from, spacing: 10 * second, isEven: true } as const;
    await subject.run({ ...walk, count: 20_000, shape: "walk", stray: undefined });
    await subject.run({ kind: "compact" });
    const asked: Question = {
      interval: { kind: "fixed", width: 5 * minute },
      range: { from, to: from + 3 * day },
      zone: "UTC",
      figures: aggregates.map((aggregate) => ({ kind: "aggregate", aggregate })),
      fill: "null",
    };
    await subject.expectEqual(asked);
    expect(addRun.mock.calls.length).toBeGreaterThan(15);
    expect(addPoints).not.toHaveBeenCalled();
    await subject.run({ kind: "append", points: [[0, from + day, 7.25]] });
    await subject.run({ kind: "delete", stream: 0, range: { from: from + 1.2 * day, to: from + 1.3 * day } });
    addRun.mockClear();
    await subject.expectEqual(asked);
    expect(addRun.mock.calls.length).toBeGreaterThan(15);
    expect(addPoints).toHaveBeenCalled();
    vi.restoreAllMocks();
    await subject.discard();
  });
});

describeEachEngine("bucketed reads against a model", (engine) => {
  const histories = fc.array(fc.tuple(command, fc.array(question, { minLength: 1, maxLength: 3 })), {
    minLength: 2,
    maxLength: 12,
  });

  test.each([
    { name: "compacted when asked to", options: { compactPoints: 1e9, tableValues: 100 } },
    {
      name: "three buckets, compacting by itself, hardly a cache",
      options: { buckets: 3, compactPoints: 400, rollupCacheBytes: 5000 },
    },
  ])("random histories and questions: $name", { timeout: proofTimeout(120_000) }, async ({ options }) => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const subject = await Subject.open(engine, options);
        try {
          for (const [step, questions] of steps) {
            await subject.run(step);
            for (const asked of questions) await subject.expectEqual(asked);
          }
          await subject.expectSoundRollups();
          for (const asked of steps.flatMap(([, questions]) => questions)) await subject.expectEqual(asked);
        } finally {
          await subject.discard();
        }
      }),
      { numRuns: engine.name === "sqlite" ? proofRuns(15, 0.15) : proofRuns(6, onPostgres) },
    );
  });
});
