import { expect, test } from "vitest";
import { describeOnPostgres } from "../../../test/engines.ts";
import { batchOf, createStreams, pointsOf, seconds } from "../../../test/store.ts";
import { blocked, Nodes, whileLocked } from "../../../test/store-nodes.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { allTime, type Point, type StreamId, type TimeRange } from "./types.ts";

/** Each kind of read, on each node, right after any node has acknowledged something. */

const hour = 3600;
const aggregates = ["count", "sum", "min", "max", "first", "last"] as const;
/** Ten hours before now, a value every five minutes. */
const day = { from: seconds(-10 * hour), to: seconds(0) };
const context = { reason: "test", actor: "me", record: async () => undefined };

class Model {
  readonly points = new Map<StreamId, Map<number, number>>();

  set(stream: StreamId, time: number, value: number): void {
    const points = this.points.get(stream) ?? new Map<number, number>();
    this.points.set(stream, points.set(time, value));
  }

  change(stream: StreamId, { from, to }: TimeRange, change: (value: number) => number | undefined): void {
    for (const { time, value } of this.list(stream)) {
      if (time < from || time >= to) continue;
      const changed = change(value);
      if (changed === undefined) this.points.get(stream)?.delete(time);
      else this.set(stream, time, changed);
    }
  }

  list(stream: StreamId): { readonly time: number; readonly value: number }[] {
    return [...(this.points.get(stream) ?? [])]
      .map(([time, value]) => ({ time, value }))
      .sort((a, b) => a.time - b.time);
  }

  /** Hour by hour, as the store's table has them. */
  hours(stream: StreamId): number[][] {
    const columns: number[][] = aggregates.map(() => []);
    for (let from = day.from; from < day.to; from += seconds(hour) - seconds(0)) {
      const values = this.list(stream)
        .filter(({ time }) => time >= from && time < from + seconds(hour) - seconds(0))
        .map(({ value }) => value);
      const none = values.length === 0;
      const sum = values.reduce((total, value) => total + value, 0);
      const figures = [
        values.length,
        none ? Number.NaN : sum,
        none ? Number.NaN : Math.min(...values),
        none ? Number.NaN : Math.max(...values),
        values[0] ?? Number.NaN,
        values.at(-1) ?? Number.NaN,
      ];
      for (const [at, figure] of figures.entries()) columns[at]?.push(figure);
    }
    return columns;
  }
}

async function hoursOf(store: LogStructuredStore, streams: readonly StreamId[]): Promise<number[][]> {
  const columns: number[][] = [];
  for await (const table of store.buckets({
    streams,
    range: day,
    interval: { kind: "fixed", width: seconds(hour) - seconds(0) },
    zone: "UTC",
    figures: aggregates.map((aggregate) => ({ kind: "aggregate", aggregate })),
    fill: "null",
  }))
    for (const [at, column] of table.columns.entries()) {
      columns[at] ??= [];
      columns[at].push(...column);
    }
  return columns;
}

/** All at once, as requests come. */
async function expectAll(store: LogStructuredStore, model: Model): Promise<void> {
  const streams = [...model.points.keys()];
  const newest = streams.map((stream): Point | undefined => model.list(stream).at(-1));
  const first = streams.map((stream) => model.list(stream)[0]);
  await Promise.all([
    hoursOf(store, streams).then((columns) =>
      expect(columns).toEqual(streams.flatMap((stream) => model.hours(stream))),
    ),
    store.latest(streams).then((points) => expect(points).toEqual(newest)),
    Promise.all(streams.map((stream) => pointsOf(store, stream))).then((lists) =>
      expect(lists).toEqual(streams.map((stream) => model.list(stream))),
    ),
    Promise.all(streams.map((stream, at) => store.find(stream, first[at]?.time ?? 0))).then((points) =>
      expect(points).toEqual(first),
    ),
  ]);
}

interface Scene {
  readonly nodes: Nodes;
  readonly model: Model;
  readonly ids: readonly StreamId[];
}

/** What the first node does and the second one reads, then the other way round. */
async function everyWrite({ nodes, model, ids }: Scene, round: number): Promise<void> {
  const [a = 0, b = 0] = ids;
  for (const at of [0, 1] as const) {
    const [store, database] = [nodes.stores[at], nodes.databases[at]];
    const seen = () => Promise.all(nodes.stores.map((each) => expectAll(each, model)));
    const shift = round * 40 + at * 17;
    const points = Array.from(
      { length: 100 },
      (_, i) => [i % 2 ? a : b, seconds(-10 * hour + 300 * i + shift), i + shift] as const,
    );
    await store.append(batchOf(points));
    for (const point of points) model.set(...point);
    await seen();
    // A late point and a correction.
    await Promise.all([
      store.put(a, seconds(-10 * hour + 7 + shift), 1000),
      store.put(b, seconds(-10 * hour + shift), -5),
    ]);
    model.set(a, seconds(-10 * hour + 7 + shift), 1000);
    model.set(b, seconds(-10 * hour + shift), -5);
    await seen();
    const gone = { from: seconds(-5 * hour), to: seconds(-4.5 * hour) };
    await store.deleteRange(a, gone);
    model.change(a, gone, () => undefined);
    await seen();
    const edited = { from: seconds(-3 * hour), to: seconds(-hour) };
    const stream = await store.streams.get(b);
    const edit = await store.edits.apply(
      stream,
      { operation: { kind: "scale", factor: 2 }, range: edited },
      context,
    );
    model.change(b, edited, (value) => value * 2);
    await seen();
    // The other node undoes it.
    await nodes.stores[1 - at]?.edits.undo(stream, edit.id, context);
    model.change(b, edited, (value) => value / 2);
    await seen();
    const key = `new ${round} ${at}`;
    const [made = 0] = await createStreams(database, store, [key]);
    await store.put(made, seconds(-1), round);
    model.set(made, seconds(-1), round);
    for (const { streams } of nodes.stores) {
      expect(await streams.find("test", key)).toMatchObject({ id: made, key });
      expect(await streams.list({ search: key, limit: 2 })).toMatchObject([{ id: made }]);
    }
    await seen();
  }
}

describeOnPostgres("reads of several nodes", (engine) => {
  const open = async (buckets: number): Promise<Scene> => {
    const nodes = await Nodes.open(engine, { buckets, compactPoints: 1e9 });
    const ids = await createStreams(nodes.databases[0], nodes.stores[0], ["a", "b"]);
    return { nodes, ids, model: new Model() };
  };

  test.each([1, 2])(
    "show what any node acknowledged, out of tails and chunks alike: %i buckets",
    async (buckets) => {
      const scene = await open(buckets);
      await using nodes = scene.nodes;
      await everyWrite(scene, 0);
      await nodes.stores[0].compact();
      await Promise.all(nodes.stores.map((store) => expectAll(store, scene.model)));
      // Rollups of the one, a tail of the other, and both know some of them by heart.
      await everyWrite(scene, 1);
      await nodes.stores[1].compact();
      await everyWrite(scene, 2);
      for (const store of nodes.stores) expect(store.stats().chunkErrors).toBe(0);
    },
  );

  test("show it while the other node is in the middle of a compaction, and when that is done", async () => {
    const scene = await open(1);
    await using nodes = scene.nodes;
    await everyWrite(scene, 0);
    let compacting: Promise<void> | undefined;
    await whileLocked(nodes.databases[1], "stream_marks in share mode", async () => {
      compacting = nodes.stores[0].compact();
      await blocked(nodes.databases[0], "stream_marks");
      await everyWrite(scene, 1);
    });
    const reading = Promise.all(nodes.stores.map((store) => expectAll(store, scene.model)));
    await Promise.all([compacting, reading]);
    await everyWrite(scene, 2);
    expect(nodes.stores[0].stats().compactions).toBe(1);
    for (const [id, points] of scene.model.points)
      expect(await pointsOf(nodes.stores[1], id, allTime)).toHaveLength(points.size);
  });
});
