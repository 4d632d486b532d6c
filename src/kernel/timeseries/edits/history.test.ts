import fc from "fast-check";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine, type TestEngine } from "../../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../../test/proof/runs.ts";
import { expectSoundChunks, expectSoundRollups } from "../../../../test/rollups.ts";
import { batchOf, createStreams, now, openStore, pointsOf } from "../../../../test/store.ts";
import type { Database } from "../../database/engine.ts";
import { aggregateBuckets, type aggregates } from "../buckets/aggregates.ts";
import { floorTo, utcDay } from "../buckets/cells.ts";
import { summarizeRange } from "../buckets/rollup.ts";
import type { LogStructuredStore } from "../log-structured-store.ts";
import { type OpenOptions, timeseriesMigrations } from "../open.ts";
import { lowerBound } from "../pages.ts";
import { allTime, type StreamId } from "../types.ts";

/** Random edits, undos and expiry between appends, compactions and restarts, against a plain Map. */

const minute = 60_000_000;
const time = fc.integer({ min: -4000, max: 0 }).map((step) => now * 1000 + step * 7 * minute);
const range = fc.tuple(time, time).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) + minute }));
const value = fc.integer({ min: -400, max: 400 }).map((quarters) => quarters / 4);

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      points: fc.array(fc.tuple(time, value), { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ramp" as const), from: time }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("edit" as const),
      range,
      operation: fc.constantFrom(
        { kind: "delete" as const },
        { kind: "scale" as const, factor: -2 },
        { kind: "shift" as const, by: 0.25 },
        { kind: "interpolate" as const },
        { kind: "fix_counter_reset" as const },
      ),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("undo" as const), back: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retain" as const), days: fc.nat({ max: 18 }) }) },
  { weight: 3, arbitrary: fc.constant({ kind: "compact" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "reopen" as const }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

const context = { reason: "test", actor: "me", record: async () => undefined };

type Pairs = readonly (readonly [number, number])[];

/** With the sign of 0. */
const textOf = (pairs: Pairs | undefined): string =>
  (pairs ?? []).map(([at, what]) => `${at} ${Object.is(what, -0) ? "-0" : what}`).join();

class Model {
  /** All points that ever were and were not edited away, expired or not. */
  points = new Map<number, number>();
  horizon = Number.NEGATIVE_INFINITY;
  readonly edits: { readonly id: number; before: Pairs; after: Pairs }[] = [];

  sorted(from: number = Number.NEGATIVE_INFINITY): [number, number][] {
    return [...this.points].filter(([at]) => at >= from).sort(([a], [b]) => a - b);
  }

  inside(from: number, to: number): Pairs {
    return this.sorted(from).filter(([at]) => at < to);
  }

  replace({ from, to }: { from: number; to: number }, points: readonly (readonly [number, number])[]): void {
    for (const at of [...this.points.keys()]) if (at >= from && at < to) this.points.delete(at);
    for (const [at, what] of points) this.points.set(at, what);
  }
}

async function edit(
  store: LogStructuredStore,
  id: StreamId,
  model: Model,
  step: Command & { kind: "edit" },
): Promise<void> {
  const stream = await store.streams.get(id);
  const { from, to } = step.range;
  const inside = model.sorted(from).filter(([at]) => at < to);
  const before = model.sorted(model.horizon).findLast(([at]) => at < from);
  const after = model.sorted(to)[0];
  const impossible = from < model.horizon || (step.operation.kind === "interpolate" && (!before || !after));
  const made = await store.edits.apply(stream, step, context).catch((error: unknown) => error);
  expect(made instanceof Error).toBe(impossible);
  if (impossible || made instanceof Error) return;
  const { operation } = step;
  let previous = before?.[1] ?? Number.NEGATIVE_INFINITY;
  let lost = 0;
  const changed = inside.flatMap(([at, was]): [number, number][] => {
    if (operation.kind === "delete") return [];
    if (operation.kind === "scale") return [[at, was * operation.factor]];
    if (operation.kind === "shift") return [[at, was + operation.by]];
    if (operation.kind === "interpolate") {
      const part = (at - (before?.[0] ?? 0)) / ((after?.[0] ?? 0) - (before?.[0] ?? 0));
      return [[at, (before?.[1] ?? 0) * (1 - part) + (after?.[1] ?? 0) * part]];
    }
    if (was < previous) lost += previous;
    previous = was;
    return [[at, was + lost]];
  });
  const old = model.inside(from, to);
  model.replace(step.range, changed);
  model.edits.push({
    id: (made as { id: number }).id,
    before: old,
    after: model.inside(from, to),
  });
}

async function undo({ store, database, id, model }: Subject, back: number): Promise<void> {
  const stream = await store.streams.get(id);
  const [found] = (await store.edits.list(database.read, id, { limit: 3 })).slice(back);
  if (!found) return;
  const known = model.edits.find((one) => one.id === found.id);
  const { from, to } = found.range;
  const fits =
    found.undoneBy === null &&
    from >= model.horizon &&
    textOf(model.inside(from, to)) === textOf(known?.after);
  const made = await store.edits.undo(stream, found.id, context).catch((error: unknown) => error);
  expect(made instanceof Error).toBe(!fits);
  if (!fits || made instanceof Error || !known) return;
  model.replace(found.range, known.before);
  model.edits.push({ id: (made as { id: number }).id, before: known.after, after: known.before });
}

async function compare(store: LogStructuredStore, id: StreamId, model: Model): Promise<void> {
  const live = model.sorted(model.horizon).map(([at, what]) => ({ time: at, value: what }));
  expect(await pointsOf(store, id, allTime)).toEqual(live);
  expect(await store.latest([id])).toEqual([live.at(-1)]);
  const all = model.sorted();
  const from = floorTo(utcDay, now * 1000) - 32 * utcDay;
  const edges = Float64Array.from({ length: 8 * 33 + 1 }, (_, i) => from + (i * utcDay) / 8);
  const points = {
    times: Float64Array.from(all, ([at]) => at),
    values: Float64Array.from(all, ([, v]) => v),
  };
  const kinds = ["count", "sum", "min", "max", "first", "last", "increase", "twa"] as const;
  const tables = store.buckets({
    streams: [id],
    range: { from, to: edges.at(-1) ?? 0 },
    interval: { kind: "fixed", width: utcDay / 8 },
    zone: "UTC",
    figures: kinds.map((aggregate) => ({ kind: "aggregate", aggregate })),
    fill: "null",
  });
  for await (const { columns, edges: found } of tables) {
    expect(found).toEqual(edges);
    for (const [i, aggregate] of kinds.entries())
      expect([aggregate, columns[i]]).toEqual([aggregate, expected(points, edges, aggregate)]);
  }
}

function expected(
  { times, values }: { readonly times: Float64Array; readonly values: Float64Array },
  edges: Float64Array,
  aggregate: (typeof aggregates)[number],
): Float64Array {
  const summaries = Array.from(edges.subarray(1), (to, i) => {
    const [low, high] = [lowerBound(times, edges[i] ?? 0), lowerBound(times, to)];
    return high > low ? summarizeRange(times, values, low, high) : undefined;
  });
  return aggregateBuckets(aggregate, edges, summaries, undefined, now * 1000);
}

interface Subject {
  database: Database;
  store: LogStructuredStore;
  readonly id: StreamId;
  readonly model: Model;
  readonly options: OpenOptions;
}

async function append({ store, id, model }: Subject, points: Pairs): Promise<void> {
  const batch = batchOf(points.map(([at, what]) => [id, at, what] as const));
  const refused = points.some(([at]) => at < model.horizon);
  const fault = await store.append(batch).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(fault === undefined ? undefined : (fault as { code: string }).code).toBe(
    refused ? "expired" : undefined,
  );
  if (!refused) for (const [at, what] of points) model.points.set(at, what);
}

async function retain({ store, database, id, model }: Subject, days: number): Promise<void> {
  const keep = (days + 1) * utcDay;
  const stream = await store.streams.get(id);
  const preview = await store.retention.preview(stream, keep);
  await database.write((tx) => store.retention.replaceRules(tx, [{ owner: "", keep }]));
  const newest = model.sorted(model.horizon).at(-1)?.[0];
  const before = model.horizon;
  if (newest !== undefined)
    model.horizon = Math.max(before, floorTo(utcDay, Math.min(now * 1000 - keep, newest)));
  expect(preview.points).toBe(model.inside(before, model.horizon).length);
  await store.retention.run();
  expect(store.horizon(id)).toBe(model.horizon);
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from chunks where start_time < ${Math.max(model.horizon, -1)}`.execute(
    database.read,
  );
  if (Number.isFinite(model.horizon)) expect(Number(rows[0]?.n)).toBe(0);
}

async function run(engine: TestEngine, subject: Subject, step: Command): Promise<void> {
  if (step.kind === "append") await append(subject, step.points);
  else if (step.kind === "ramp")
    await append(
      subject,
      Array.from({ length: 1500 }, (_, i) => [step.from + i * minute, i % 70] as const).filter(
        ([at]) => at <= now * 1000,
      ),
    );
  else if (step.kind === "edit") await edit(subject.store, subject.id, subject.model, step);
  else if (step.kind === "undo") await undo(subject, step.back);
  else if (step.kind === "retain") await retain(subject, step.days);
  else if (step.kind === "compact") await subject.store.compact();
  else {
    await close(subject);
    subject.database = await engine.reopen(subject.database);
    subject.store = await openStore(subject.database, subject.options);
  }
}

async function close({ store, database }: Subject): Promise<void> {
  await store[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
}

describeEachEngine("edits and retention against a model", (engine) => {
  test.each([
    { name: "one bucket", options: {} },
    { name: "three buckets, edits in chunks of their own", options: { buckets: 3, inlineEditPoints: 2 } },
  ])("random histories: $name", { timeout: proofTimeout(600_000) }, async ({ options }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 3, maxLength: 16 }), async (steps) => {
        const database = await engine.open({ migrations: timeseriesMigrations });
        const store = await openStore(database, options);
        const [id = 0] = await createStreams(database, store, ["a"]);
        const subject: Subject = { database, store, id, model: new Model(), options };
        try {
          for (const step of steps) {
            await run(engine, subject, step);
            await compare(subject.store, id, subject.model);
          }
          await subject.store.compact();
          await compare(subject.store, id, subject.model);
          await expectSoundChunks(subject.database);
          if (!Number.isFinite(subject.model.horizon)) await expectSoundRollups(subject.database);
        } finally {
          await close(subject);
          await engine.discard(subject.database);
        }
      }),
      { numRuns: engine.name === "sqlite" ? proofRuns(30, 0.05) : proofRuns(8, onPostgres) },
    );
  });
});
