import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres, describeOnSqlite } from "../../../test/engines.ts";
import { batchOf, createStreams, openStore, pointsOf, seconds } from "../../../test/store.ts";
import type { Database } from "../database/engine.ts";
import { NewestPoints } from "./newest-points.ts";
import { timeseriesMigrations } from "./open.ts";
import { chunkBeforeSql, chunksSql, marksSql, rollupsSql } from "./postgres-sql.ts";
import { Recent } from "./recent.ts";
import { sqliteLookups } from "./sqlite-chunks.ts";
import { Tail } from "./tail.ts";
import { allTime, type PointPage } from "./types.ts";

/** On PostgreSQL each takes some round trips to be compacted. */
const manyStreams = { sqlite: 20_000, postgres: 1000 } as const;

describeEachEngine("growth of the store", (engine) => {
  const fresh = () => engine.open({ migrations: timeseriesMigrations });

  test("a log that is longer than one part becomes chunks part after part", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    const points = Array.from({ length: 400 }, (_, i) => [i % 3 === 0 ? b : a, seconds(i), i] as const);
    for (let at = 0; at < points.length; at += 40) await store.append(batchOf(points.slice(at, at + 40)));
    await store.deleteRange(a, { from: seconds(100), to: seconds(200) });
    const expected = [await pointsOf(store, a), await pointsOf(store, b)];
    await store[Symbol.asyncDispose]();
    await using again = await openStore(database, { compactPoints: 100 });
    await again.compact();
    expect(again.stats()).toMatchObject({ tailPoints: 0, chunkErrors: 0 });
    expect([await pointsOf(again, a), await pointsOf(again, b)]).toEqual(expected);
    const left = await sql<{ n: number }>`select count(*) as n from log`.execute(database.read);
    expect(left.rows[0]?.n).toBe(0);
  });

  test("idle streams are neither read nor held when the store is opened, and each is found", async () => {
    await using database = await fresh();
    await using first = await openStore(database);
    const count = manyStreams[engine.name];
    const keys = Array.from({ length: count }, (_, i) => `${i}`);
    const ids = await createStreams(database, first, keys);
    await first.append(batchOf(ids.map((id) => [id, seconds(-id), id] as const)));
    await first.compact();
    await first[Symbol.asyncDispose]();
    await using store = await openStore(database);
    expect(store.stats()).toMatchObject({ tailPoints: 0, tailBytes: 0 });
    for (const id of [ids[0], ids[count / 2], ids.at(-1)]) {
      expect(store.highWater(id ?? 0)).toBe(seconds(-(id ?? 0)));
      expect(await store.latest([id ?? 0])).toEqual([{ time: seconds(-(id ?? 0)), value: id }]);
    }
  });

  test("a read that began before a compaction keeps the points it was given, and finds the others", async () => {
    await using database = await fresh();
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    const points = Array.from({ length: 20_000 }, (_, i) => [a, seconds(i), i] as const);
    await store.append(batchOf(points));
    const pages: PointPage[] = [];
    for await (const page of store.read(a, allTime)) {
      pages.push(page);
      if (pages.length === 1) await store.compact();
    }
    expect(store.stats().tailPoints).toBe(0);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flatMap(({ times }) => [...times])).toEqual(points.map(([, time]) => time));
    expect(pages.flatMap(({ values }) => [...values])).toEqual(points.map(([, , value]) => value));
  });

  test("what a stream takes beside its points counts as memory of the tail", async () => {
    await using database = await fresh();
    await using store = await openStore(database);
    const ids = await createStreams(
      database,
      store,
      Array.from({ length: 100 }, (_, i) => `${i}`),
    );
    await store.append(batchOf(ids.map((id) => [id, seconds(0), 1] as const)));
    expect(store.stats().tailBytes).toBeGreaterThan(100 * 500);
  });
});

describeOnSqlite("look-ups of the store", (engine) => {
  test("find their rows by a key, never by a scan", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    for (const text of Object.values(sqliteLookups)) {
      const plan = await sql<{
        detail: string;
      }>`${sql.raw(`explain query plan ${numberless(text)}`)}`.execute(database.read);
      expect(plan.rows.length).toBeGreaterThan(0);
      for (const { detail } of plan.rows) expect(detail).not.toMatch(/^SCAN (?!CONSTANT)|TEMP B-TREE/);
    }
  });
});

describeOnPostgres("look-ups of the store", (engine) => {
  test("find their rows by a key, never by a scan", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    for (const text of [chunksSql, chunkBeforeSql, rollupsSql, marksSql]) {
      const plan = await plannedOnPostgres(database, numberless(text));
      expect(plan).toContain("Index");
      expect(plan).not.toContain("Seq Scan");
    }
  });
});

/** A plan is made for values: any will do. */
const numberless = (text: string): string => text.replaceAll(/[$?]\d+|\?/g, "1");

/** Small tables are read as a whole unless that is forbidden; without a fitting index it happens all the same. */
const plannedOnPostgres = (database: Database, text: string): Promise<string> =>
  database.write(async (tx) => {
    await sql`set local enable_seqscan = off`.execute(tx);
    const { rows } = await sql<Record<string, string>>`${sql.raw(`explain ${text}`)}`.execute(tx);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  });

test("the memory of a generation is free when its points are in chunks, without the collector", () => {
  const tail = new Tail();
  const times = Array.from({ length: 100 }, (_, i) => i);
  tail.apply([{ kind: "points", count: 100, streams: times.map(() => 1), times, values: times }]);
  tail.freeze();
  const [layer] = tail.layers(1);
  const page = layer?.page();
  expect(page?.times).toHaveLength(100);
  tail.dropFrozen();
  expect(page?.times.buffer.byteLength).toBe(0);
  expect(page?.values.buffer.byteLength).toBe(0);
  expect(() => layer?.page()).toThrow(/released/);
  expect(tail.layers(1)).toEqual([]);
});

test("a map of what was used last holds twice its size at most, and what is in use stays", () => {
  const recent = new Recent<number, number>(100);
  for (let i = 1; i <= 10_000; i++) {
    recent.set(i, i);
    expect(recent.get(1)).toBe(1);
  }
  const held = Array.from({ length: 10_000 }, (_, i) => i + 1).filter((i) => recent.has(i));
  expect(held.length).toBeLessThanOrEqual(200);
  recent.delete(1);
  expect(recent.get(1)).toBeUndefined();
});

test("the newest points of streams are numbers, texts, none or not known", () => {
  const points = new NewestPoints();
  expect(points.get(7)).toBeUndefined();
  points.set(7, { time: 1, value: '"on"' });
  expect(points.get(7)).toEqual({ time: 1, value: '"on"' });
  points.set(7, { time: 2, value: -0 });
  expect(points.get(7)).toEqual({ time: 2, value: -0 });
  points.set(7, undefined);
  expect(points.get(7)).toBeNull();
  points.forget(7);
  expect(points.get(7)).toBeUndefined();
});
