import fc from "fast-check";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeOnPostgres } from "../../../test/engines.ts";
import { onPostgres, proofRuns, proofTimeout } from "../../../test/proof/runs.ts";
import { batchOf, createStreams, now, pointsOf, seconds } from "../../../test/store.ts";
import { blocked, Nodes, whileLocked } from "../../../test/store-nodes.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { allTime, latestHorizon, type Point, type StreamId, type TimeRange } from "./types.ts";

type Node = 0 | 1;
type Command =
  | {
      readonly kind: "append";
      readonly node: Node;
      readonly points: readonly (readonly [number, number, number])[];
    }
  | { readonly kind: "ramp"; readonly node: Node; readonly stream: number; readonly from: number }
  | { readonly kind: "delete"; readonly node: Node; readonly stream: number; readonly range: TimeRange }
  | { readonly kind: "compact"; readonly node: Node };

const streamCount = 3;
const node = fc.constantFrom<Node>(0, 1);
const stream = fc.integer({ min: 0, max: streamCount - 1 });
const time = fc.integer({ min: -60, max: 20 }).map((step) => seconds(step * 20));
const range = fc.tuple(time, time).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const point = fc.tuple(stream, time, fc.integer({ min: -500, max: 500 }));
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      node,
      points: fc.array(point, { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ramp" as const), node, stream, from: time }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), node, stream, range }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("compact" as const), node }) },
);

class Model {
  readonly points = Array.from({ length: streamCount }, () => new Map<number, number>());

  list(at: number, { from, to }: TimeRange): Point[] {
    return [...(this.points[at] ?? [])]
      .filter(([when]) => when >= from && when < to)
      .sort(([a], [b]) => a - b)
      .map(([when, value]) => ({ time: when, value }));
  }

  delete(at: number, { from, to }: TimeRange): void {
    for (const { time: when } of this.list(at, { from, to })) this.points[at]?.delete(when);
  }
}

const ramp = ({ stream: at, from }: { stream: number; from: number }) =>
  Array.from({ length: 700 }, (_, i) => [at, from + i * 500_000, i] as const);

async function run(
  { stores }: Nodes,
  ids: readonly StreamId[],
  model: Model,
  step: Command,
  compactions: Promise<void>[],
): Promise<void> {
  const store = stores[step.node];
  if (step.kind === "compact") {
    // It goes on under the reads that follow.
    compactions.push(store.compact());
  } else if (step.kind === "delete") {
    model.delete(step.stream, step.range);
    await store.deleteRange(ids[step.stream] ?? 0, step.range);
  } else {
    const points = step.kind === "append" ? step.points : ramp(step);
    for (const [at, when, value] of points) model.points[at]?.set(when, value);
    await store.append(batchOf(points.map(([at, when, value]) => [ids[at] ?? 0, when, value] as const)));
  }
}

async function compare(store: LogStructuredStore, ids: readonly StreamId[], model: Model, part: TimeRange) {
  const horizon = { from: allTime.from, to: now * 1000 + latestHorizon + 1 };
  const expectStream = async (id: StreamId, at: number) => {
    expect(await store.find(id, part.from)).toEqual(
      model.list(at, { from: part.from, to: part.from + 1 })[0],
    );
    expect(await pointsOf(store, id)).toEqual(model.list(at, allTime));
    expect(await pointsOf(store, id, part)).toEqual(model.list(at, part));
  };
  await Promise.all([
    store
      .latest(ids)
      .then((points) => expect(points).toEqual(ids.map((_, at) => model.list(at, horizon).at(-1)))),
    ...ids.map(expectStream),
  ]);
}

describeOnPostgres("several nodes on one PostgreSQL", (engine) => {
  test.each([
    { name: "one bucket", options: { compactPoints: 1e9 } },
    { name: "two buckets, compacting by themselves", options: { buckets: 2, compactPoints: 400 } },
  ])(
    "random histories on two nodes, read on both: $name",
    { timeout: proofTimeout(120_000) },
    async ({ options }) => {
      const histories = fc.array(fc.tuple(command, range), { minLength: 1, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(histories, async (steps) => {
          await using nodes = await Nodes.open(engine, options);
          const keys = Array.from({ length: streamCount }, (_, i) => `s${i}`);
          const ids = await createStreams(nodes.databases[0], nodes.stores[0], keys);
          const model = new Model();
          const compactions: Promise<void>[] = [];
          for (const [step, part] of steps) {
            await run(nodes, ids, model, step, compactions);
            await Promise.all(nodes.stores.map((store) => compare(store, ids, model, part)));
          }
          await Promise.all(compactions);
          await Promise.all(
            nodes.stores.map((store) => compare(store, ids, model, { from: 0, to: seconds(0) })),
          );
        }),
        { numRuns: proofRuns(4, onPostgres) },
      );
    },
  );

  test("a value that only ever rises never falls back on another node, nor is it gone, while both compact", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [writer, other] = nodes.stores;
    const [id = 0] = await createStreams(nodes.databases[0], writer, ["rising"]);
    const width = 60;
    const write = (store: LogStructuredStore, value: number) =>
      store.put(id, seconds((value % width) - width), value);
    for (let value = 0; value < width; value++) await write(writer, value);
    const acknowledged = Array.from({ length: width }, (_, i) => i);
    let done = false;
    const writing = async () => {
      for (let value = width; !done; value++) {
        await write(value % 3 === 0 ? other : writer, value);
        acknowledged[value % width] = value;
      }
    };
    const compacting = async (store: LogStructuredStore) => {
      while (!done) await store.compact();
    };
    const reading = async (store: LogStructuredStore) => {
      for (let i = 0; i < 150; i++) {
        const least = [...acknowledged];
        const [points, [latest]] = await Promise.all([pointsOf(store, id), store.latest([id])]);
        expect(points).toHaveLength(width);
        for (const [at, point] of points.entries())
          expect(point.value).toBeGreaterThanOrEqual(least[at] ?? 0);
        expect(latest?.value).toBeGreaterThanOrEqual(least.at(-1) ?? 0);
      }
    };
    const background = [writing(), ...nodes.stores.map(compacting)];
    await Promise.all([writer, other, writer, other].map(reading)).finally(() => {
      done = true;
    });
    await Promise.all(background);
    expect(writer.stats().compactions).toBeGreaterThan(0);
    expect(other.stats().compactions).toBeGreaterThan(0);
  });

  test("what another node has compacted is dropped from the tail", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [left, right] = nodes.stores;
    const [id = 0] = await createStreams(nodes.databases[0], left, ["a"]);
    await left.append(batchOf(ramp({ stream: id, from: seconds(-1000) })));
    expect(await pointsOf(right, id)).toHaveLength(700);
    expect(right.stats().tailPoints).toBe(700);
    await left.compact();
    await left.put(id, seconds(-2000), 1);
    expect(await pointsOf(right, id)).toHaveLength(701);
    expect(right.stats().tailPoints).toBe(1);
    expect(right.highWater(id)).toBe(left.highWater(id));
  });

  test("rows that become chunks while a node reads them leave no older ones behind in its tail", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [left, right] = nodes.stores;
    const [database, admin] = nodes.databases;
    const [id = 0] = await createStreams(database, left, ["a"]);
    await left.put(id, seconds(1), 1);
    expect(await pointsOf(right, id)).toHaveLength(1);
    await left.deleteRange(id, allTime);
    let read: Promise<readonly Point[]> | undefined;
    await whileLocked(admin, "log in access exclusive mode", async (tx) => {
      read = pointsOf(right, id);
      await blocked(database, "from log ");
      // As a compaction of both rows: nothing is left of them.
      await sql`delete from log`.execute(tx);
      await sql`update log_head set compacted_seq = seq`.execute(tx);
    });
    expect(await read).toEqual([]);
  });

  test("chunks that were read before another node compacted are read again", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [left, right] = nodes.stores;
    const [database, admin] = nodes.databases;
    const [a = 0, b = 0] = await createStreams(database, left, ["a", "b"]);
    await left.append(batchOf(ramp({ stream: b, from: 0 })));
    await left.compact();
    await left.append(batchOf(ramp({ stream: a, from: 0 })));
    await right.refresh();
    let read: Promise<readonly Point[]> | undefined;
    await whileLocked(admin, "log_head in access exclusive mode", async (tx) => {
      read = pointsOf(right, a);
      await blocked(database, "log_head");
      // As a compaction of the same points.
      await sql`insert into chunks select bucket, ${a}, start_time, end_time, count, numeric_count, min, max, sum,
        first, last, codec, blob from chunks where stream_id = ${b}`.execute(tx);
      await sql`delete from log`.execute(tx);
      await sql`update log_head set compacted_seq = seq`.execute(tx);
    });
    expect(await read).toHaveLength(700);
    expect(right.stats().tailPoints).toBe(0);
  });
});
