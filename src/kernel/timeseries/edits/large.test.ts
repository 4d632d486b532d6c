import { expect, test } from "vitest";
import { describeEachEngine } from "../../../../test/engines.ts";
import { expectSoundChunks, expectSoundRollups } from "../../../../test/rollups.ts";
import { batchOf, createStreams, now, openStore, pointsOf } from "../../../../test/store.ts";
import type { Database } from "../../database/engine.ts";
import { migrate } from "../../database/migrate.ts";
import { encodeChunk } from "../codec/chunk.ts";
import type { LogNotice } from "../log-notice.ts";
import type { LogStructuredStore } from "../log-structured-store.ts";
import { timeseriesMigrations } from "../open.ts";
import { allTime, type StreamId } from "../types.ts";
import type { EditTables } from "./edit-tables.ts";

/** Edits whose points go neither through the log nor through memory at once. */

const minute = 60_000_000;
const timeAt = (i: number): number => now * 1000 - (5000 - i) * minute;
const everything = { from: timeAt(0), to: timeAt(5000) };
const context = { reason: "test", actor: "me", record: async () => undefined };
const inlineEditPoints = 100;

interface Subject extends AsyncDisposable {
  readonly database: Database;
  readonly store: LogStructuredStore;
  readonly id: StreamId;
}

describeEachEngine("large edits", (engine) => {
  const opened = async (maxEditPoints = 1e8): Promise<Subject> => {
    const database = await engine.open({ migrations: timeseriesMigrations });
    const store = await openStore(database, { inlineEditPoints, maxEditPoints, compactPoints: 1e9 });
    const [id = 0] = await createStreams(database, store, ["a"]);
    await store.append(batchOf(Array.from({ length: 5000 }, (_, i) => [id, timeAt(i), i] as const)));
    const dispose = async () => {
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    };
    return { database, store, id, [Symbol.asyncDispose]: dispose };
  };
  const rows = async (database: Database, table: "stream_edits" | "stream_edit_chunks"): Promise<number> => {
    const found = await database.read.withTables<EditTables>().selectFrom(table).selectAll().execute();
    return found.length;
  };

  test("of more points than one may change are refused, in the preview too, and leave nothing", async () => {
    await using subject = await opened(4000);
    const { database, store, id } = subject;
    const stream = await store.streams.get(id);
    const scale = { operation: { kind: "scale", factor: 2 }, range: everything } as const;
    const refusal = { code: "too-large", message: expect.stringContaining("4000 points") };
    await expect(store.edits.preview(stream, scale)).rejects.toMatchObject(refusal);
    await expect(store.edits.apply(stream, scale, context)).rejects.toMatchObject(refusal);
    expect(await rows(database, "stream_edits")).toBe(0);
    expect(await rows(database, "stream_edit_chunks")).toBe(0);
    const part = { ...scale, range: { from: timeAt(0), to: timeAt(4000) } };
    expect((await store.edits.preview(stream, part)).after.sum).toBe(3999 * 4000);
    await store.edits.apply(stream, part, context);
  });

  test("take no room in the log, and are told of as what has to be read again", async () => {
    await using subject = await opened();
    const { store, id } = subject;
    await store.compact();
    const notices: LogNotice["kind"][] = [];
    using _ = { [Symbol.dispose]: store.follow(({ kind }) => notices.push(kind)) };
    const stream = await store.streams.get(id);
    await store.edits.apply(stream, { operation: { kind: "shift", by: 1 }, range: everything }, context);
    expect(store.stats().tailPoints).toBe(0);
    expect(notices).toEqual(["deleteRange", "missed"]);
    expect((await pointsOf(store, id)).every(({ value }, i) => value === i + 1)).toBe(true);
  });

  test("late points, overwrites and deletions after them win; the undo waits for these", async () => {
    await using subject = await opened();
    const { database, store, id } = subject;
    const stream = await store.streams.get(id);
    const shift = { operation: { kind: "shift", by: 1 }, range: everything } as const;
    const { id: edit } = await store.edits.apply(stream, shift, context);
    const late = timeAt(10) + 1;
    await store.append(
      batchOf([
        [id, late, -1],
        [id, timeAt(20), -2],
      ]),
    );
    await store.deleteRange(id, { from: timeAt(30), to: timeAt(31) });
    for (const compacted of [false, true]) {
      if (compacted) await store.compact();
      const points = await pointsOf(store, id);
      expect(points).toHaveLength(5000);
      expect(points.find(({ time }) => time === late)?.value).toBe(-1);
      expect(await store.find(id, timeAt(20))).toMatchObject({ value: -2 });
      expect(await store.find(id, timeAt(30))).toBeUndefined();
      expect(await store.find(id, timeAt(40))).toMatchObject({ value: 41 });
      await expect(store.edits.undo(stream, edit, context)).rejects.toMatchObject({
        code: "conflict",
        message: expect.stringContaining("3 points"),
      });
    }
    await store.deleteRange(id, { from: late, to: late + 1 });
    await store.append(
      batchOf([
        [id, timeAt(20), 21],
        [id, timeAt(30), 31],
      ]),
    );
    await store.edits.undo(stream, edit, context);
    expect((await pointsOf(store, id)).every(({ value }, i) => value === i)).toBe(true);
    await store.compact();
    expect((await pointsOf(store, id)).every(({ value }, i) => value === i)).toBe(true);
    await expectSoundChunks(database);
    await expectSoundRollups(database);
  });

  test("of a stream that is then to keep its newest point only, and all again", async () => {
    await using subject = await opened();
    const { database, store, id } = subject;
    const stream = await store.streams.get(id);
    const scale = { operation: { kind: "scale", factor: 2 }, range: everything } as const;
    await store.edits.apply(stream, scale, context);
    await database.write((tx) => store.streams.update(tx, id, { mode: "last" }));
    await store.compact();
    expect(await pointsOf(store, id)).toEqual([{ time: timeAt(4999), value: 9998 }]);
    expect(await store.latest([id])).toEqual([{ time: timeAt(4999), value: 9998 }]);
    await store.put(id, timeAt(5000), 1);
    await store.compact();
    await database.write((tx) => store.streams.update(tx, id, { mode: "history" }));
    expect(await pointsOf(store, id)).toEqual([{ time: timeAt(5000), value: 1 }]);
    await expectSoundChunks(database);
    await expectSoundRollups(database);
  });

  test("what a crash has left of one that was being prepared goes with the next run", async () => {
    await using subject = await opened();
    const { database, store, id } = subject;
    const old = {
      stream_id: id,
      time: 0,
      operation: "{}",
      reason: "",
      actor: "",
      range_from: 0,
      range_to: 1,
    };
    await database.write((tx) =>
      tx
        .withTables<EditTables>()
        .insertInto("stream_edits")
        .values({
          ...old,
          before_totals: "{}",
          after_totals: "{}",
          undoes: null,
          undone_by: null,
          made: 0,
          points_of: null,
          flipped: 0,
        })
        .execute(),
    );
    expect(await store.edits.list(database.read, id, { limit: 5 })).toEqual([]);
    await store.retention.run();
    expect(await rows(database, "stream_edits")).toBe(0);
  });

  test("edits of the first schema can be undone", async () => {
    const steps = Object.entries(timeseriesMigrations);
    const before = steps.findIndex(([name]) => name.endsWith("-edit-chunks"));
    const database = await engine.open({ migrations: Object.fromEntries(steps.slice(0, before)) });
    const page = (value: number) => ({
      times: Float64Array.of(timeAt(1), timeAt(2)),
      values: Float64Array.of(value, value + 1),
    });
    await database.write(async (tx) => {
      const tables = tx.withTables<{
        log_head: Record<string, unknown>;
        streams: Record<string, unknown>;
        stream_edits: Record<string, unknown>;
        stream_edit_points: Record<string, unknown>;
      }>();
      await tables
        .insertInto("log_head")
        .values({ bucket: 0, seq: 0, compacted_seq: 0, lease_until: 0 })
        .execute();
      const stream = { owner: "test", key: "a", mode: "history", unit: "", labels: "{}" };
      await tables.insertInto("streams").values(stream).execute();
      const edit = { stream_id: 1, time: 0, operation: '{"kind":"shift","by":5}', reason: "x", actor: "me" };
      const totals = { before_totals: "{}", after_totals: "{}" };
      const range = { range_from: timeAt(0), range_to: timeAt(9) };
      await tables
        .insertInto("stream_edits")
        .values({ ...edit, ...totals, ...range })
        .execute();
      for (const [side, value] of [1, 6].entries())
        await tables
          .insertInto("stream_edit_points")
          .values({ edit_id: 1, side, page: 0, blob: encodeChunk(page(value)) })
          .execute();
    });
    await migrate(database, timeseriesMigrations);
    const store = await openStore(database);
    await store.append(
      batchOf([
        [1, timeAt(1), 6],
        [1, timeAt(2), 7],
      ]),
    );
    const stream = await store.streams.get(1);
    await store.edits.undo(stream, 1, context);
    expect((await pointsOf(store, 1, allTime)).map(({ value }) => value)).toEqual([1, 2]);
    await store[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
});
