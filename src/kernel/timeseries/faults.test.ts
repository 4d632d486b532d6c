import { sql } from "kysely";
import { describe, expect, inject, test } from "vitest";
import { describeEachEngine, describeOnSqlite } from "../../../test/engines.ts";
import { createDatabase, dropDatabase } from "../../../test/services/postgres.ts";
import { batchOf, createStreams, openStore, pointsOf, seconds } from "../../../test/store.ts";
import { until } from "../../../test/until.ts";
import type { Database } from "../database/engine.ts";
import { migrate } from "../database/migrate.ts";
import { openDatabase } from "../database/open.ts";
import { Problem } from "../errors.ts";
import { createLog } from "../observe/log.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { timeseriesMigrations } from "./open.ts";
import { allTime } from "./types.ts";

const ramp = (stream: number, from: number, count: number) =>
  batchOf(Array.from({ length: count }, (_, i) => [stream, seconds(from + i), from + i] as const));

describeEachEngine("damaged rows of the time-series store", (engine) => {
  test("a chunk that cannot be decoded is left out, counted, and set aside by compaction", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    await store.append(ramp(a, -3000, 3000));
    await store.compact();
    await database.write((tx) =>
      sql`update chunks set blob = ${new Uint8Array([1, 2, 3])} where start_time = ${seconds(1024 - 3000)}`.execute(
        tx,
      ),
    );
    const undamaged = [...Array(1024).keys(), ...Array.from({ length: 952 }, (_, i) => 2048 + i)].map(
      (i) => i - 3000,
    );
    const read = async () => (await pointsOf(store, a)).map(({ value }) => value);
    expect(await read()).toEqual(undamaged);
    expect(store.stats().chunkErrors).toBe(1);
    expect(await store.latest([a])).toEqual([{ time: seconds(-1), value: -1 }]);
    await store.put(a, seconds(-1500), 0.5);
    await store.compact();
    expect(await read()).toEqual([...undamaged.slice(0, 1024), 0.5, ...undamaged.slice(1024)]);
    const aside = await sql<{ count: number }>`select count from damaged_chunks`.execute(database.read);
    expect(aside.rows.map(({ count }) => count)).toEqual([1024]);
  });

  test("a log row that cannot be decoded is left out, counted and kept", async () => {
    const database = await engine.open({ migrations: timeseriesMigrations });
    const store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    for (let i = 0; i < 3; i++) await store.put(a, seconds(i), i);
    await database.write((tx) => sql`update log set blob = ${new Uint8Array(40)} where seq = 2`.execute(tx));
    await store[Symbol.asyncDispose]();
    await using again = await openStore(database);
    const expected = [
      { time: seconds(0), value: 0 },
      { time: seconds(2), value: 2 },
    ];
    expect(await pointsOf(again, a)).toEqual(expected);
    expect(again.stats().chunkErrors).toBe(1);
    await again.compact();
    expect(await pointsOf(again, a)).toEqual(expected);
    const left = await sql<{ seq: number }>`select seq from log`.execute(database.read);
    expect(left.rows.map(({ seq }) => seq)).toEqual([2]);
    await again[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
});

describeOnSqlite("a full disk under the time-series store", (engine) => {
  test("is said clearly, stores nothing by halves, and is got over", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    const limit = (pages: number) => database.sqlite?.maintain(`pragma max_page_count = ${pages}`);
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database.read);
    await limit((rows[0]?.page_count ?? 0) + 20);
    const values: number[] = [];
    const append = async () => {
      const added = Array.from({ length: 1000 }, () => Math.random());
      await store.append(batchOf(added.map((value, i) => [a, seconds(values.length + i), value] as const)));
      values.push(...added);
    };
    const fill = async () => {
      for (;;) await append();
    };
    const stored = async () => (await pointsOf(store, a)).map(({ value }) => value);
    await expect(fill()).rejects.toMatchObject({ code: "disk-full", status: 507 });
    expect(values.length).toBeGreaterThan(0);
    expect(await stored()).toEqual(values);
    // The log only goes when its chunks are written, for which there is no room: nothing is lost by that.
    await expect(store.compact()).rejects.toMatchObject({ code: "disk-full" });
    expect(await stored()).toEqual(values);
    await limit(1_000_000);
    await append();
    await store.compact();
    await store.compact();
    expect(store.stats().tailPoints).toBe(0);
    expect(await stored()).toEqual(values);
  });
});

const adminUrl = inject("postgres");

describe.skipIf(adminUrl === null)("the time-series store on a PostgreSQL that is shared or lost", () => {
  async function withDatabases(count: number, work: (databases: readonly Database[]) => Promise<void>) {
    const connectionString = await createDatabase(adminUrl ?? "");
    const databases: Database[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const database = await openDatabase({ engine: "postgres", connectionString }, createLog("silent"));
        databases.push(database);
        await migrate(database, timeseriesMigrations);
      }
      await work(databases);
    } finally {
      for (const database of databases) await database[Symbol.asyncDispose]();
      await dropDatabase(adminUrl ?? "", connectionString);
    }
  }

  /** Sends again what may or may not have been stored, as every client does. */
  async function insist(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        return;
      } catch (error) {
        if (!(error instanceof Problem && error.code === "store-unavailable")) throw error;
      }
    }
  }

  test("connections killed under load lose nothing that was acknowledged", () =>
    withDatabases(2, async ([database, admin]) => {
      if (!database || !admin) return;
      await using store = await openStore(database, { compactPoints: 3000 });
      const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
      let kills = 0;
      let done = false;
      const killer = (async () => {
        while (!done) {
          const killed = await sql`
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
              and query like '%insert into log%'`.execute(admin.read);
          kills += killed.rows.length;
          const before = store.stats().commits;
          await until("some commits", () => done || store.stats().commits > before + 20);
        }
      })();
      const total = 300;
      for (let i = 0; i < total; i += 3)
        await Promise.all(
          [i, i + 1, i + 2].map((k) =>
            insist(() =>
              store.append(
                batchOf([
                  [a, seconds(k), k],
                  [b, seconds(k % 10), k],
                ]),
              ),
            ),
          ),
        );
      done = true;
      await killer;
      expect(kills).toBeGreaterThan(1);
      await store.refresh();
      const check = async (from: LogStructuredStore) => {
        expect((await pointsOf(from, a)).map(({ value }) => value)).toEqual([...Array(total).keys()]);
        return pointsOf(from, b);
      };
      const inMemory = await check(store);
      expect(inMemory).toHaveLength(10);
      await using other = await openStore(admin);
      expect(await check(other)).toEqual(inMemory);
    }));

  test("two stores see each other's appends in the same order", () =>
    withDatabases(2, async ([first, second]) => {
      if (!first || !second) return;
      await using left = await openStore(first, { compactPoints: 1e9 });
      await using right = await openStore(second, { compactPoints: 1e9 });
      const [a = 0] = await createStreams(first, left, ["a"]);
      const write = async (store: LogStructuredStore, sign: number) => {
        for (let i = 1; i <= 100; i++)
          await store.append(
            batchOf([
              [a, seconds(i % 7), sign * i],
              [a, seconds(100 + sign * i), i],
            ]),
          );
      };
      await Promise.all([write(left, 1), write(right, -1)]);
      await Promise.all([left.refresh(), right.refresh()]);
      const seen = await pointsOf(left, a);
      expect(await pointsOf(right, a)).toEqual(seen);
      expect(seen).toHaveLength(200);
      expect(await right.latest([a])).toEqual(await left.latest([a]));
      await left.compact();
      await right.refresh();
      await right.put(a, seconds(500), 500);
      await left.refresh();
      expect(await pointsOf(left, a)).toEqual([...seen, { time: seconds(500), value: 500 }]);
      expect(await pointsOf(right, a, allTime)).toEqual([...seen, { time: seconds(500), value: 500 }]);
    }));
});
