import { sql } from "kysely";
import { expect, test } from "vitest";
import type { Database } from "../../src/kernel/database/engine.ts";
import type { LogStructuredStore } from "../../src/kernel/timeseries/log-structured-store.ts";
import { timeseriesMigrations } from "../../src/kernel/timeseries/open.ts";
import { defaultLeaseMillis, retryMillisOf } from "../../src/kernel/timeseries/postgres-lease.ts";
import type { StreamId } from "../../src/kernel/timeseries/types.ts";
import { describeOnPostgres, type TestEngine } from "../engines.ts";
import { expectSoundRollups } from "../rollups.ts";
import { createStreams, openStore, pointsOf } from "../store.ts";
import { blocked, leaseTo, whereabouts, whileLocked } from "../store-nodes.ts";
import { until } from "../until.ts";
import { Expected, streamCount } from "./store-history.ts";
import { stepsStored, Writer } from "./store-process.ts";

/** A node in this process, and another in one of its own, in the middle of its first compaction. */
interface Scene {
  readonly database: Database;
  readonly store: LogStructuredStore;
  readonly writer: Writer;
  /** Everything the writer has acknowledged is there, once. */
  expectAll(acknowledged: number): Promise<void>;
}

const compacting = async (database: Database): Promise<number> => {
  const { rows } = await sql`select 1 from pg_stat_activity
    where datname = current_database() and application_name like 'busbar compaction %'`.execute(
    database.read,
  );
  return rows.length;
};

/**
 * @param meanwhile what happens before the compaction may go on; its writes are those of the marks, the last before it
 *   looks at its fence
 */
async function compactionOfAnother(
  engine: TestEngine,
  leaseMillis: number,
  meanwhile: (scene: Scene, tx: Parameters<Parameters<Database["write"]>[0]>[0]) => Promise<unknown>,
  then: (scene: Scene) => Promise<void>,
): Promise<void> {
  const config = await engine.create();
  await using database = await engine.connect(config, timeseriesMigrations);
  await using admin = await engine.reopen(database);
  await using store = await openStore(database, { compactPoints: 1e9 });
  const ids: readonly StreamId[] = await createStreams(
    database,
    store,
    Array.from({ length: streamCount }, (_, i) => `s${i}`),
  );
  await using writer = new Writer({ database: config, ids, first: 0, leaseMillis });
  const expectAll = async (acknowledged: number): Promise<void> => {
    const expected = new Expected();
    expected.advance(await stepsStored(store, ids, acknowledged));
    for (const [stream, id] of ids.entries())
      expect(await pointsOf(store, id)).toEqual(expected.sorted(stream));
    await store.compact();
    for (const [stream, id] of ids.entries())
      expect(await pointsOf(store, id)).toEqual(expected.sorted(stream));
    await expectSoundRollups(database);
  };
  const scene = { database, store, writer, expectAll };
  await whileLocked(admin, "stream_marks in share mode", async (tx) => {
    await blocked(database, "stream_marks");
    await meanwhile(scene, tx);
  });
  await then(scene);
}

describeOnPostgres("taking over a compaction from another process", (engine) => {
  test("that was killed: within ten seconds by the default lease", { timeout: 120_000 }, async () => {
    // One that dies right after it renewed, and one that asked right before that runs out.
    expect(defaultLeaseMillis + retryMillisOf(defaultLeaseMillis)).toBeLessThanOrEqual(10_000);
    let acknowledged = -1;
    await compactionOfAnother(
      engine,
      defaultLeaseMillis,
      async ({ database, writer }) => {
        const { rows } = await sql<{ held: boolean }>`select lease_owner is not null and lease_until -
          extract(epoch from clock_timestamp()) * 1000 between 0 and ${defaultLeaseMillis} as held
          from log_head`.execute(database.read);
        expect(rows).toEqual([{ held: true }]);
        writer.signal("SIGKILL");
        acknowledged = await writer.killed();
      },
      async ({ store, expectAll }) => {
        expect(store.stats()).toMatchObject({ takeovers: 0, compactions: 0 });
        await store.compact();
        expect(store.stats()).toMatchObject({ takeovers: 1, compactions: 1 });
        await expectAll(acknowledged);
      },
    );
  });

  test("that hangs, locks and all: its session is ended, and it goes on after it", {
    timeout: 120_000,
  }, async () => {
    await compactionOfAnother(
      engine,
      3_600_000,
      async ({ writer }, tx) => {
        writer.signal("SIGSTOP");
        // As after the length of a lease.
        await sql`update log_head set lease_until = 0`.execute(tx);
      },
      async ({ database, store, writer, expectAll }) => {
        await store.compact();
        expect(store.stats()).toMatchObject({ takeovers: 1, compactions: 1 });
        expect(await compacting(database)).toBe(0);
        const { last } = writer;
        writer.signal("SIGCONT");
        await until("it to go on", () => writer.last > last);
        writer.signal("SIGKILL");
        await expectAll(await writer.killed());
      },
    );
  });

  test("that was paused and replaced: it cannot commit what it had done", { timeout: 120_000 }, async () => {
    await compactionOfAnother(
      engine,
      3_600_000,
      async ({ writer }, tx) => {
        writer.signal("SIGSTOP");
        await leaseTo(tx, "another", 3_600_000);
      },
      async ({ database, store, writer, expectAll }) => {
        expect(await compacting(database)).toBe(1);
        writer.signal("SIGCONT");
        await until("its transaction to end", async () => (await compacting(database)) === 0);
        expect(await whereabouts(database)).toMatchObject({ chunks: 0, compacted: 0 });
        writer.signal("SIGKILL");
        const acknowledged = await writer.killed();
        await database.write((tx) => leaseTo(tx, "another", -1));
        await expectAll(acknowledged);
        expect(store.stats()).toMatchObject({ takeovers: 1 });
      },
    );
  });
});
