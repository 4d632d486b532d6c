import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { batchOf, createStreams, now, openStore, pointsOf, seconds } from "../../../test/store.ts";
import { until } from "../../../test/until.ts";
import { timeseriesMigrations } from "./open.ts";
import { allTime, type PointBatch } from "./types.ts";

describeEachEngine("time-series store", (engine) => {
  const fresh = () => engine.open({ migrations: timeseriesMigrations });

  test("what was put is read back, also after reopening and after compaction", async () => {
    const database = await fresh();
    const store = await openStore(database);
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    const done = [
      store.put(a, seconds(-10), 21.5),
      store.put(b, seconds(-10), '"on"'),
      store.put(a, seconds(-9), -0),
    ];
    expect(done[0]).toBe(done[1]);
    await Promise.all(done);
    const check = async (from: typeof store) => {
      expect(await pointsOf(from, a)).toEqual([
        { time: seconds(-10), value: 21.5 },
        { time: seconds(-9), value: -0 },
      ]);
      expect(await from.latest([b, a, 999])).toEqual([
        { time: seconds(-10), value: '"on"' },
        { time: seconds(-9), value: -0 },
        undefined,
      ]);
      expect(await from.find(a, seconds(-10))).toEqual({ time: seconds(-10), value: 21.5 });
      expect(await from.find(a, seconds(-11))).toBeUndefined();
      expect(from.highWater(a)).toBe(seconds(-9));
      expect(from.highWater(999)).toBe(Number.NEGATIVE_INFINITY);
    };
    await check(store);
    await store[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await using again = await engine.reopen(database);
    await using reopened = await openStore(again);
    await check(reopened);
    await reopened.compact();
    expect(reopened.stats()).toMatchObject({ tailPoints: 0, compactions: 1, chunkErrors: 0 });
    await check(reopened);
  });

  test("what breaks a rule is refused by field and value, and nothing of it is stored", async () => {
    await using database = await fresh();
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    const good = { count: 2, streams: [a, a], times: [1, 2], values: [1, 2] };
    const bad: [Partial<PointBatch>, RegExp][] = [
      [{ values: [1, Number.NaN] }, /values\/1: NaN is not a finite number/],
      [{ values: [Number.POSITIVE_INFINITY, 1] }, /values\/0: Infinity is not a finite number/],
      [{ times: [1, 2.5] }, /times\/1: 2.5 is not a whole number of microseconds/],
      [{ times: [1, Number.MAX_SAFE_INTEGER] }, /times\/1: 9007199254740991 is not a whole number/],
      [{ streams: [a, -1] }, /streams\/1: -1 is not the id of a stream/],
      [{ values: [1] }, /values: It has 1 entries for 2 points/],
      [{ values: [1, Number.NaN], texts: new Map([[1, "on"]]) }, /texts\/1: on is not JSON text/],
      [{ values: [1, Number.NaN], texts: new Map([[1, "21.5"]]) }, /texts\/1: 21.5 is the text of a number/],
      [{ texts: new Map([[1, '"on"']]) }, /values\/1: It must be NaN where a text holds the value/],
    ];
    for (const [change, message] of bad)
      await expect(store.append({ ...good, ...change })).rejects.toThrow(message);
    await expect(store.put(a, 1, Number.NaN)).rejects.toMatchObject({ code: "invalid-request" });
    await expect(store.put(a, 1, "on")).rejects.toMatchObject({ code: "invalid-request" });
    await expect(store.put(0, 1, 1)).rejects.toMatchObject({ code: "invalid-request" });
    await expect(store.deleteRange(a, { from: 0.5, to: 1 })).rejects.toThrow(/from: 0.5/);
    expect(await pointsOf(store, a)).toEqual([]);
    await store.append(good);
    expect(await pointsOf(store, a)).toHaveLength(2);
  });

  test("a point of the far future is stored, but is not the latest; a deleted newest point gives way", async () => {
    await using database = await fresh();
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    await store.append(
      batchOf([
        [a, seconds(-1), 1],
        [a, seconds(300), 2],
        [a, seconds(301), 3],
        [a, seconds(-5), 4],
      ]),
    );
    for (const round of ["from the tail", "from chunks"]) {
      expect(await store.latest([a]), round).toEqual([{ time: seconds(300), value: 2 }]);
      expect(store.highWater(a), round).toBe(seconds(301));
      await store.compact();
    }
    await store.deleteRange(a, { from: seconds(0), to: seconds(400) });
    for (const round of ["from the tail", "from chunks"]) {
      expect(await store.latest([a]), round).toEqual([{ time: seconds(-1), value: 1 }]);
      expect(store.highWater(a), round).toBe(seconds(301));
      await store.compact();
    }
  });

  test("a stream of mode last keeps its newest point only", async () => {
    await using database = await fresh();
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"], "last");
    const newest = { time: seconds(-1), value: "true" };
    await store.append(
      batchOf([
        [a, seconds(-3), 3],
        [a, seconds(-1), "true"],
        [a, seconds(-2), 2],
      ]),
    );
    expect(await pointsOf(store, a)).toEqual([newest]);
    await store.compact();
    await store.put(a, seconds(-9), 9);
    expect(await store.find(a, seconds(-9))).toBeUndefined();
    await store.compact();
    expect(await pointsOf(store, a)).toEqual([newest]);
    await store.put(a, seconds(0), 0);
    await store.compact();
    expect(await pointsOf(store, a)).toEqual([{ time: seconds(0), value: 0 }]);
    expect(await store.find(a, seconds(0))).toEqual({ time: seconds(0), value: 0 });
  });

  test("streams are created once, found by id and by key, and removed in their owner's transaction", async () => {
    await using database = await fresh();
    await using store = await openStore(database);
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b", "a"]);
    expect(await createStreams(database, store, ["b", "a"])).toEqual([b, a]);
    expect(await store.streams.get(a)).toMatchObject({
      owner: "test",
      key: "a",
      unit: "°C",
      labels: { room: "1" },
    });
    expect((await store.streams.find("test", "b"))?.id).toBe(b);
    expect(await store.streams.find("test", "c")).toBeUndefined();
    await store.put(a, 1, 1);
    const failing = database.write(async (tx) => {
      await store.dropStreams(tx, [a]);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await pointsOf(store, a)).toHaveLength(1);
    await database.write((tx) => store.dropStreams(tx, [a]));
    expect(await pointsOf(store, a)).toEqual([]);
    await expect(store.streams.get(a)).rejects.toMatchObject({ code: "not-found" });
    const [again = 0] = await createStreams(database, store, ["a"]);
    expect(again).toBeGreaterThan(b);
  });

  test("a full tail pushes appends back, lets puts wait, and loses nothing", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { maxTailPoints: 1000, compactPoints: 1e9 });
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    const points = Array.from({ length: 1000 }, (_, i) => [a, i, i] as const);
    await store.append(batchOf(points));
    await expect(store.append(batchOf(points))).rejects.toMatchObject({
      code: "store-busy",
      headers: { "retry-after": "1" },
    });
    let written = false;
    const waiting = store.put(b, 1, 1).then(() => {
      written = true;
    });
    expect(await pointsOf(store, b)).toEqual([]);
    expect(written).toBe(false);
    await store.compact();
    await waiting;
    expect(await pointsOf(store, b)).toHaveLength(1);
    await store.append(batchOf(points));
    expect(await pointsOf(store, a)).toHaveLength(1000);
  });

  test("a tail that is full all the time is compacted by itself, and every put gets through", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { maxTailPoints: 50, compactPoints: 50 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    for (let round = 0; round < 5; round++) {
      const puts = Array.from({ length: 60 }, (_, i) => store.put(a, seconds(100 * round + i), i));
      await Promise.all(puts);
    }
    expect(await pointsOf(store, a)).toHaveLength(300);
  });

  test("a long history comes in pages, wherever its parts are", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    const part = (from: number, step: number, count: number) =>
      batchOf(
        Array.from({ length: count }, (_, i) => [a, seconds(from + i * step), from + i * step] as const),
      );
    await store.append(part(0, 2, 15_000));
    await store.compact();
    await store.append(part(1, 2, 15_000));
    let count = 0;
    for await (const page of store.read(a, allTime)) {
      expect(page.times.length).toBeLessThanOrEqual(10_000);
      for (const time of page.times) expect(time).toBe(seconds(count++));
    }
    expect(count).toBe(30_000);
  });

  test("a deletion takes whole chunks away, and trims those at its ends", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    for (const stream of [a, b])
      await store.append(batchOf(Array.from({ length: 10_000 }, (_, i) => [stream, i, i] as const)));
    await store.compact();
    await store.deleteRange(a, { from: 1500, to: 8500 });
    await store.put(a, 5000, 0.5);
    await store.compact();
    const left = (await pointsOf(store, a)).map(({ time }) => time);
    const kept = Array.from({ length: 1500 }, (_, i) => i);
    expect(left).toEqual([...kept, 5000, ...kept.map((i) => 8500 + i)]);
    expect(await pointsOf(store, b)).toHaveLength(10_000);
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from chunks where stream_id = ${a}`.execute(database.read);
    expect(rows[0]?.n).toBeLessThanOrEqual(5);
  });

  test("compaction starts by itself, by size and by age", async () => {
    await using database = await fresh();
    const bySize = await openStore(database, { compactPoints: 100 });
    const [a = 0] = await createStreams(database, bySize, ["a"]);
    await bySize.append(batchOf(Array.from({ length: 100 }, (_, i) => [a, i, i] as const)));
    await until("the compaction", () => bySize.stats().tailPoints === 0);
    await bySize[Symbol.asyncDispose]();
    await using byAge = await openStore(database, { compactMillis: 20 });
    await byAge.put(a, 200, 1);
    await until("the compaction", () => byAge.stats().tailPoints === 0);
    expect(await pointsOf(byAge, a)).toHaveLength(101);
  });

  test("closing waits for what was accepted", async () => {
    const database = await fresh();
    const store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    const accepted = store.put(a, now, 1);
    await store[Symbol.asyncDispose]();
    await accepted;
    await expect(store.put(a, now, 1)).rejects.toMatchObject({ code: "shutting-down" });
    await database[Symbol.asyncDispose]();
  });
});
