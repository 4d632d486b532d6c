import fc from "fast-check";
import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../test/proof/runs.ts";
import { batchOf, now, pointsOf } from "../../../test/store.ts";
import { StoreSubject } from "../../../test/store-subject.ts";
import { allTime, latestHorizon, type Point, type PointValue, type TimeRange } from "./types.ts";

/** Random histories against a plain Map: every read equal, whatever was compacted, closed or cut off in between. */

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

async function run(subject: StoreSubject, model: Model, step: Command): Promise<void> {
  const { store } = subject;
  const id = (at: number) => subject.id(at);
  if (step.kind === "append" || step.kind === "ramp") {
    const list = step.kind === "append" ? step.points : ramp(step);
    for (const point of list) model.set(...point);
    await store.append(batchOf(list.map(([at, when, what]) => [id(at), when, what] as const)));
  } else if (step.kind === "put") {
    for (const point of step.points) model.set(...point);
    await Promise.all(step.points.map(([at, when, what]) => store.put(id(at), when, what)));
  } else if (step.kind === "delete") {
    model.delete(step.stream, step.range);
    await store.deleteRange(id(step.stream), step.range);
  } else if (step.kind === "drop") {
    const gone = await subject.replace(step.stream);
    await store.append(batchOf([[gone, now * 1000, 1]]));
    expect(await pointsOf(store, gone)).toEqual([]);
    model.replace(step.stream);
  } else if (step.kind === "compact") await store.compact();
  else await subject.reopen();
}

const ramp = (step: { stream: number; from: number; count: number }): (readonly [number, number, number])[] =>
  Array.from(
    { length: step.count },
    (_, i) => [step.stream, step.from + i * 500_000, i / 10] as const,
  ).filter(([, when]) => when < Number.MAX_SAFE_INTEGER);

async function compare({ store, ids }: StoreSubject, model: Model, part: TimeRange): Promise<void> {
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
        const subject = await StoreSubject.open(engine, options, streamCount);
        try {
          for (const [step, part] of steps) {
            await run(subject, model, step);
            await compare(subject, model, part);
          }
        } finally {
          await subject.discard();
        }
      }),
      { numRuns: engine.name === "sqlite" ? proofRuns(25, 0.3) : proofRuns(8, onPostgres) },
    );
  });
});
