import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres } from "../../../test/engines.ts";
import { batchOf, createStreams, openStore, pointsOf, seconds } from "../../../test/store.ts";
import { until } from "../../../test/until.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { timeseriesMigrations } from "./open.ts";
import type { TimeSeries } from "./store.ts";

const never = 3_600_000;

/** What a listener was told, in short. */
function told(store: TimeSeries): { readonly notices: unknown[]; stop(): void } {
  const notices: unknown[] = [];
  const stop = store.follow((notice) => {
    if (notice.kind !== "points") {
      notices.push({ ...notice });
      return;
    }
    for (let i = 0; i < notice.count; i++)
      notices.push([
        notice.streams[i],
        notice.times[i],
        notice.texts?.get(i) ?? (notice.values[i] as number),
      ]);
  });
  return { notices, stop };
}

const context = { reason: "a test", actor: "test", record: async () => undefined };

describeEachEngine("followers of the time-series log", (engine) => {
  test("hear what is written once it is committed, in order, before the writer hears of it", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    await store.put(a, seconds(-9), 0);
    const { notices, stop } = told(store);
    store.follow(() => {
      throw new Error("a broken listener");
    });
    await store.put(a, seconds(-8), 1.5);
    expect(notices.splice(0)).toEqual([[a, seconds(-8), 1.5]]);
    const batch = [
      [b, seconds(-7), '"on"'],
      [a, seconds(-7), -0],
      [a, seconds(-7), 2],
    ] as const;
    await store.append(batchOf(batch));
    expect(notices.splice(0)).toEqual(batch);
    await expect(store.put(a, 0.5, 1)).rejects.toThrow();
    await store.deleteRange(a, { from: seconds(-8), to: seconds(-7) });
    expect(notices.splice(0)).toEqual([
      { kind: "deleteRange", stream: a, range: { from: seconds(-8), to: seconds(-7) } },
    ]);
    await store.compact();
    expect(notices).toEqual([]);
    stop();
    await store.put(a, seconds(-6), 3);
    expect(notices).toEqual([]);
  });

  test("hear of edits, of their undo and of the end of streams, but of nothing that is rolled back", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    await store.put(a, seconds(-9), 2);
    const { notices } = told(store);
    const stream = await store.streams.get(a);
    const range = { from: seconds(-10), to: seconds(0) };
    const edit = await store.edits.apply(
      stream,
      { operation: { kind: "scale", factor: 10 }, range },
      context,
    );
    expect(notices.splice(0)).toEqual([{ kind: "deleteRange", stream: a, range }, [a, seconds(-9), 20]]);
    await store.edits.undo(stream, edit.id, context);
    expect(notices.splice(0)).toEqual([{ kind: "deleteRange", stream: a, range }, [a, seconds(-9), 2]]);
    const rolledBack = database.write(async (tx) => {
      await store.dropStreams(tx, [a]);
      throw new Error("no");
    });
    await expect(rolledBack).rejects.toThrow("no");
    expect(notices).toEqual([]);
    await database.write((tx) => store.dropStreams(tx, [a]));
    expect(notices).toEqual([{ kind: "dropStream", stream: a }]);
  });
});

describeOnPostgres("followers of the time-series log of several nodes", (engine) => {
  const open = async (options: { readonly pollMillis: number; readonly buckets?: number }) => {
    const opened = new AsyncDisposableStack();
    const left = opened.use(await engine.open({ migrations: timeseriesMigrations }));
    const right = opened.use(await engine.reopen(left));
    const stores = [
      opened.use(await openStore(left, options)),
      opened.use(await openStore(right, options)),
    ] as const;
    return { opened, databases: [left, right] as const, stores };
  };

  test("hear by the other's word, without polling, what it wrote, and each row once", async () => {
    const { opened, databases, stores } = await open({ pollMillis: never });
    await using _ = opened;
    const [a = 0] = await createStreams(databases[0], stores[0], ["a"]);
    const heard = stores.map((store) => told(store).notices);
    const total = 300;
    const write = async (store: LogStructuredStore, rest: number) => {
      for (let i = rest; i < total; i += 2) await store.put(a, seconds(i - 1000), i);
    };
    await Promise.all(stores.map(write));
    await until("both to have heard all", () => heard.every((notices) => notices.length >= total));
    const expected = Array.from({ length: total }, (_, i) => [a, seconds(i - 1000), i]);
    for (const notices of heard) expect(new Set(notices.map(String))).toEqual(new Set(expected.map(String)));
    expect(heard[0]).toHaveLength(total);
    // One bucket: one order for all.
    expect(heard[0]).toEqual(heard[1]);
  });

  test("hear each row once, or that some were missed, while both nodes compact", async () => {
    const { opened, databases, stores } = await open({ pollMillis: 20, buckets: 2 });
    await using _ = opened;
    const ids = await createStreams(databases[0], stores[0], ["a", "b"]);
    const heard = stores.map((store) => told(store).notices);
    const points: (readonly [number, number, number])[] = [];
    for (let i = 0; i < 60; i++) {
      const batch = ids.map((id) => [id, seconds(i - 1000), i] as const);
      points.push(...batch);
      await stores[i % 2]?.append(batchOf(batch));
      if (i % 7 === 0) await stores[(i + 1) % 2]?.compact();
    }
    await Promise.all(stores.map((store) => store.refresh()));
    for (const notices of heard) {
      const rows = notices.filter((notice) => Array.isArray(notice)).map(String);
      expect(new Set(rows).size).toBe(rows.length);
      const missed = notices.flatMap((notice) => (notice as { readonly bucket?: number }).bucket ?? []);
      const lost = points.filter((point) => !rows.includes(String(point)));
      for (const [id] of lost) expect(missed).toContain(id % 2);
    }
    for (const store of stores) for (const id of ids) expect(await pointsOf(store, id)).toHaveLength(60);
  });

  test("are told when something was compacted before this node saw it, and go on after it", async () => {
    const { opened, databases, stores } = await open({ pollMillis: never });
    await using _ = opened;
    const [left, right] = stores;
    const [a = 0] = await createStreams(databases[0], left, ["a"]);
    const { notices } = told(right);
    // As another node that appended and compacted before this one looked.
    await sql`update log_head set seq = seq + 3, compacted_seq = seq + 3`.execute(databases[0].read);
    await right.refresh();
    expect(notices.splice(0)).toEqual([{ kind: "missed", bucket: 0 }]);
    await left.put(a, seconds(-1), 7);
    await right.refresh();
    expect(notices).toEqual([[a, seconds(-1), 7]]);
  });
});
