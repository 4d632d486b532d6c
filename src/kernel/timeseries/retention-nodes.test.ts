import fc from "fast-check";
import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres, type TestEngine } from "../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../test/proof/runs.ts";
import { batchOf, createStreams, now, openStore, pointsOf } from "../../../test/store.ts";
import type { Database } from "../database/engine.ts";
import { floorTo, utcDay } from "./buckets/cells.ts";
import { Horizons, raiseVersion } from "./horizons.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { type OpenOptions, timeseriesMigrations } from "./open.ts";
import type { BucketHead } from "./storage.ts";
import { allTime, type StreamId, type TimeRange } from "./types.ts";

/** Two nodes on one database: a point is refused, or it is stored and counted once, whoever moves the horizon. */

interface Node {
  readonly database: Database;
  readonly store: LogStructuredStore;
}

const codeOf = (write: Promise<void>): Promise<string | undefined> =>
  write.then(
    () => undefined,
    (error: unknown) => String((error as { code?: unknown }).code),
  );

class Nodes implements AsyncDisposable {
  readonly list: readonly [Node, Node];
  readonly ids: readonly StreamId[];

  private constructor(list: readonly [Node, Node], ids: readonly StreamId[]) {
    this.list = list;
    this.ids = ids;
  }

  static async open(
    engine: TestEngine,
    [first, second]: readonly [OpenOptions, OpenOptions],
    streams: number,
  ): Promise<Nodes> {
    const common = { leaseMillis: 300, compactPoints: 1e9 };
    const database = await engine.open({ migrations: timeseriesMigrations });
    const other = await engine.reopen(database);
    const a = { database, store: await openStore(database, { ...common, ...first }) };
    const b = { database: other, store: await openStore(other, { ...common, ...second }) };
    const keys = Array.from({ length: streams }, (_, i) => `s${i}`);
    return new Nodes([a, b], await createStreams(database, a.store, keys));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { store } of this.list) await store[Symbol.asyncDispose]();
    for (const { database } of this.list) await database[Symbol.asyncDispose]();
  }
}

const day = (days: number, micros = 0): number => now * 1000 - days * utcDay + micros;
const keepDays = ({ database, store }: Node, days: number) =>
  database.write((tx) => store.retention.replaceRules(tx, [{ owner: "", keep: days * utcDay }]));

/** Points in all, by the rollups as far as they go. */
async function counted(store: LogStructuredStore, stream: StreamId): Promise<number> {
  const tables = store.buckets({
    streams: [stream],
    range: { from: day(60), to: day(-1) },
    interval: { kind: "fixed", width: utcDay },
    zone: "UTC",
    figures: [{ kind: "aggregate", aggregate: "count" }],
    fill: "null",
  });
  let sum = 0;
  for await (const { columns } of tables) for (const count of columns[0] ?? []) sum += count || 0;
  return sum;
}

describeOnPostgres("a horizon that another node has moved", (engine) => {
  test("refuses what is older there too, even where nobody has heard of it", async () => {
    await using nodes = await Nodes.open(engine, [{ pollMillis: 1 }, { nodes: "single" }], 1);
    const [{ store }, deaf] = nodes.list;
    const [id = 0] = nodes.ids;
    await store.append(batchOf([20, 10, 1].map((days) => [id, day(days), days])));
    await keepDays(nodes.list[0], 5);
    expect(await store.retention.run()).toBe(1);
    const late = () => deaf.store.append(batchOf([[id, day(10, 1), 7]]));
    expect(await codeOf(late())).toBe("store-busy");
    expect(await codeOf(late())).toBe("expired");
    expect(await codeOf(deaf.store.put(id, day(10, 2), 7))).toBe("expired");
    expect(await codeOf(deaf.store.deleteRange(id, { from: day(30), to: day(0) }))).toBe("expired");
    expect(deaf.store.stats().pointsExpired).toBe(2);
    await deaf.store.put(id, day(0), 8);
    for (const { store: each } of nodes.list) {
      await each.refresh();
      await each.compact();
      expect(await pointsOf(each, id)).toEqual([
        { time: day(1), value: 1 },
        { time: day(0), value: 8 },
      ]);
      expect(await counted(each, id)).toBe(4);
      expect(each.horizon(id)).toBe(day(5));
    }
  });

  test("lets through a commit that was checked before, and holds nothing older", async () => {
    await using nodes = await Nodes.open(engine, [{ pollMillis: 1 }, { nodes: "single" }], 2);
    const [{ store }, deaf] = nodes.list;
    const [a = 0, b = 0] = nodes.ids;
    await store.append(batchOf([20, 1].map((days) => [a, day(days), days])));
    await keepDays(nodes.list[0], 5);
    await store.retention.run();
    await deaf.store.append(
      batchOf([
        [a, day(2), 2],
        [b, day(300), 3],
      ]),
    );
    expect(await counted(store, a)).toBe(3);
    expect(await pointsOf(store, b)).toHaveLength(1);
    expect(deaf.store.horizon(a)).toBe(day(5));
  });

  test("is heard of before it moves: what is too old is refused by name, not the others with it", async () => {
    await using nodes = await Nodes.open(engine, [{ pollMillis: 20 }, { pollMillis: 20 }], 2);
    const [{ store }, other] = nodes.list;
    const [a = 0, b = 0] = nodes.ids;
    await store.append(batchOf([20, 1].map((days) => [a, day(days), days])));
    await keepDays(nodes.list[0], 5);
    let moved = false;
    const moving = store.retention.run().finally(() => {
      moved = true;
    });
    const codes = new Set<string | undefined>();
    let accepted = 0;
    for (let i = 1; !moved; i++) {
      const [late, live] = await Promise.all([
        codeOf(other.store.append(batchOf([[a, day(10, i), i]]))),
        codeOf(other.store.append(batchOf([[b, day(1, i), i]]))),
      ]);
      codes.add(late);
      if (late === undefined) accepted++;
      expect(live).toBeUndefined();
    }
    await moving;
    expect([...codes].filter((code) => code !== undefined && code !== "expired")).toEqual([]);
    expect(await counted(store, a)).toBe(2 + accepted);
  });
});

describeEachEngine("horizons", (engine) => {
  const opened = async () => {
    const database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    await createStreams(database, store, ["a"]);
    return database;
  };
  const known = async (database: Database): Promise<Horizons> => {
    const horizons = new Horizons(1);
    const [head] = await database.read
      .withTables<{ log_head: { horizons: number } }>()
      .selectFrom("log_head")
      .select("horizons")
      .execute();
    const heads: BucketHead[] = [{ bucket: 0, seq: 0, compactedSeq: 0, horizons: head?.horizons ?? 0 }];
    await horizons.follow(database.read, heads);
    return horizons;
  };
  const moved = (database: Database, horizon: number) =>
    database.write(async (tx) => {
      const { version } = await raiseVersion(tx, 0);
      await new Horizons(1).move(tx, 0, new Map([[1, horizon]]), version);
    });

  test("the greater of two that are written at the same time stays", async () => {
    await using database = await opened();
    await using other = await engine.reopen(database);
    await Promise.all([moved(database, day(5)), moved(other, day(9))]);
    await moved(other, day(8));
    expect((await known(database)).of(1)).toBe(day(5));
  });

  test("what was announced and did not come about is taken back", async () => {
    await using database = await opened();
    await moved(database, day(9));
    await database.write((tx) => new Horizons(1).announce(tx, 0, new Map([[1, day(5)]])));
    const announced = await known(database);
    expect([announced.of(1), announced.door(1)]).toEqual([day(9), day(5)]);
    await using store = await openStore(database);
    expect(store.horizon(1)).toBe(day(5));
    await store.retention.run();
    expect(store.horizon(1)).toBe(day(9));
  });
});

type Command =
  | {
      readonly kind: "edit";
      readonly undo: boolean;
      readonly node: 0 | 1;
      readonly stream: number;
      readonly range: TimeRange;
    }
  | { readonly kind: "append"; readonly node: 0 | 1; readonly points: readonly (readonly [number, number])[] }
  | { readonly kind: "delete"; readonly node: 0 | 1; readonly stream: number; readonly range: TimeRange }
  | { readonly kind: "retain"; readonly node: 0 | 1; readonly days: number }
  | {
      readonly kind: "edit";
      readonly undo: boolean;
      readonly node: 0 | 1;
      readonly stream: number;
      readonly range: TimeRange;
    }
  | { readonly kind: "compact"; readonly node: 0 | 1 };

const streamCount = 2;
const node = fc.constantFrom<0 | 1>(0, 1);
const stream = fc.nat({ max: streamCount - 1 });
const time = fc.integer({ min: 0, max: 200 }).map((step) => day(20) + step * 0.1 * utcDay);
const range = fc.tuple(time, time).map(([x, y]) => ({ from: Math.min(x, y), to: Math.max(x, y) + 1 }));
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      node,
      points: fc.array(fc.tuple(stream, time), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), node, stream, range }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("retain" as const), node, days: fc.nat({ max: 18 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("edit" as const), undo: fc.boolean(), node, stream, range }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("compact" as const), node }) },
);

describeOnPostgres("retention on two nodes against a model", (engine) => {
  test.each([{ buckets: 1 }, { buckets: 3 }])(
    "random histories, $buckets buckets",
    {
      timeout: proofTimeout(600_000),
    },
    async ({ buckets }) => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 2, maxLength: 14 }), async (steps) => {
          const options = { pollMillis: 2, buckets, compactPoints: 4, inlineEditPoints: 1 };
          await using nodes = await Nodes.open(engine, [options, options], streamCount);
          const taken = await runSteps(nodes, steps);
          for (const { store } of nodes.list) {
            await store.compact();
            await store.refresh();
            for (const [at, id] of nodes.ids.entries()) {
              const all = [...(taken[at] ?? [])].map(([when, value]) => ({ time: when, value }));
              const live = all.filter((point) => point.time >= store.horizon(id));
              expect(await pointsOf(store, id, allTime)).toEqual(live.sort((x, y) => x.time - y.time));
              expect(await counted(store, id)).toBe(all.length);
            }
          }
        }),
        { numRuns: proofRuns(5, onPostgres) },
      );
    },
  );
});

/** Retention and compaction go on beside the writes; what these answer is what has to be true. */
async function runSteps(nodes: Nodes, steps: readonly Command[]): Promise<readonly Map<number, number>[]> {
  const taken = Array.from({ length: streamCount }, () => new Map<number, number>());
  const background: Promise<unknown>[] = [];
  for (const step of steps) {
    const { database, store } = nodes.list[step.node];
    // The purge of the other node may end it.
    if (step.kind === "compact") background.push(store.compact().catch(() => undefined));
    else if (step.kind === "retain") {
      await keepDays({ database, store }, step.days);
      background.push(store.retention.run());
    } else if (step.kind === "delete") {
      const code = await codeOf(store.deleteRange(nodes.ids[step.stream] ?? 0, step.range));
      expect([undefined, "expired", "store-busy"]).toContain(code);
      const points = taken[step.stream] ?? new Map<number, number>();
      if (code === undefined)
        for (const when of points.keys())
          if (when >= step.range.from && when < step.range.to) points.delete(when);
    } else if (step.kind === "edit") {
      await edit(nodes, step, taken[step.stream] ?? new Map());
    } else {
      const points = step.points.map(([at, when]) => [nodes.ids[at] ?? 0, when, 1] as const);
      const code = await codeOf(store.append(batchOf(points)));
      expect([undefined, "expired", "store-busy"]).toContain(code);
      if (code === undefined) for (const [at, when] of step.points) taken[at]?.set(when, 1);
    }
  }
  await Promise.all(background);
  for (const horizon of nodes.ids.map((id) => nodes.list[0].store.horizon(id)))
    if (Number.isFinite(horizon)) expect(floorTo(utcDay, horizon)).toBe(horizon);
  return taken;
}

/** Multiplies, or takes back the newest edit that was not undone, which must find the points as it left them. */
async function edit(
  { list, ids }: Nodes,
  step: Command & { readonly kind: "edit" },
  points: Map<number, number>,
): Promise<void> {
  const { database, store } = list[step.node];
  const id = ids[step.stream] ?? 0;
  const stream = await store.streams.get(id);
  const context = { reason: "test", actor: "me", record: async () => undefined };
  const [last] = (await store.edits.list(database.read, id, { limit: 10 })).filter(
    ({ undoneBy, operation }) => undoneBy === null && operation.kind === "scale",
  );
  if (step.undo && !last) return;
  const made =
    step.undo && last
      ? store.edits.undo(stream, last.id, context)
      : store.edits.apply(stream, { operation: { kind: "scale", factor: 3 }, range: step.range }, context);
  const code = await codeOf(made.then(() => undefined));
  expect([undefined, "expired", "conflict"]).toContain(code);
  if (code !== undefined) return;
  const { from, to } = step.undo && last ? last.range : step.range;
  const factor = step.undo ? 1 / 3 : 3;
  for (const [when, value] of points)
    if (when >= from && when < to) points.set(when, Math.round(value * factor));
}
