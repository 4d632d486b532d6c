import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeOnPostgres } from "../../../test/engines.ts";
import { batchOf, createStreams, pointsOf, seconds } from "../../../test/store.ts";
import { blocked, leaseTo, Nodes, whereabouts, whileLocked } from "../../../test/store-nodes.ts";
import type { StreamId } from "./types.ts";

const ramp = (stream: StreamId) =>
  Array.from({ length: 700 }, (_, i) => [stream, seconds(i / 2), i] as const);

describeOnPostgres("the lease for compaction", (engine) => {
  test("one node compacts at a time; a dead one's lease is taken over when it runs out", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 10 });
    const [store] = nodes.stores;
    const [database, admin] = nodes.databases;
    const [id = 0] = await createStreams(database, store, ["a"]);
    await admin.write((tx) => leaseTo(tx, "another", 3_600_000));
    await store.append(batchOf(ramp(id)));
    let compacted = false;
    const compacting = store.compact().then(() => {
      compacted = true;
    });
    for (let i = 0; i < 20; i++) await store.refresh();
    expect(compacted).toBe(false);
    expect(store.stats().tailPoints).toBe(700);
    await admin.write((tx) => leaseTo(tx, "another", 500));
    await compacting;
    expect(store.stats().tailPoints).toBe(0);
    const { rows } = await sql<{ lease_owner: string | null }>`select lease_owner from log_head`.execute(
      admin.read,
    );
    expect(rows).toEqual([{ lease_owner: null }]);
  });

  test("one that lost its lease while it compacted leaves nothing behind", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [left, right] = nodes.stores;
    const [database, admin] = nodes.databases;
    const [id = 0] = await createStreams(database, left, ["a"]);
    await left.append(batchOf(ramp(id)));
    const counts = () => whereabouts(admin);
    let failed: Promise<unknown> | undefined;
    // Its marks are the last it writes before it checks the lease.
    await whileLocked(admin, "stream_marks in share mode", async (tx) => {
      failed = left.compact().catch((error: unknown) => error);
      await blocked(database, "stream_marks");
      await leaseTo(tx, "another", 3_600_000);
    });
    expect(String(await failed)).toContain("taken over");
    expect(await counts()).toEqual({ chunks: 0, log: 1, compacted: 0 });
    expect(await pointsOf(left, id)).toHaveLength(700);
    await database.write((tx) => leaseTo(tx, "another", -1));
    await right.compact();
    expect(await counts()).toMatchObject({ log: 0, compacted: 1 });
    await left.compact();
    for (const store of nodes.stores) {
      expect(await pointsOf(store, id)).toHaveLength(700);
      expect(store.stats().tailPoints).toBe(0);
    }
  });

  test("chunks that another node removes meanwhile do not come back with a compaction that began before", async () => {
    await using nodes = await Nodes.open(engine, { compactPoints: 1e9 });
    const [left, right] = nodes.stores;
    const [database, admin] = nodes.databases;
    const [a = 0, b = 0] = await createStreams(database, left, ["a", "b"]);
    const horizon = seconds(100);
    await left.append(batchOf(ramp(b)));
    await left.compact();
    await left.append(batchOf(ramp(a)));
    let failed: Promise<unknown> | undefined;
    await whileLocked(admin, "stream_marks in share mode", async () => {
      failed = left.compact().catch((error: unknown) => error);
      await blocked(database, "stream_marks");
      // The horizon of the other stream has moved; what is before it is removed by the next run of any node.
      await database.write(async (tx) => {
        await sql`update log_head set horizons = horizons + 1`.execute(tx);
        await sql`insert into stream_horizons (bucket, stream_id, horizon, door, purged, version)
          select bucket, ${b}, ${horizon}, ${horizon}, 0, horizons from log_head`.execute(tx);
      });
      await right.retention.run();
    });
    expect(String(await failed)).toContain("taken over");
    expect(await whereabouts(admin)).toMatchObject({ log: 1, compacted: 1 });
    await left.compact();
    expect(await whereabouts(admin)).toMatchObject({ log: 0, compacted: 2 });
    for (const store of nodes.stores) {
      expect(await pointsOf(store, a)).toHaveLength(700);
      expect((await pointsOf(store, b))[0]?.time).toBe(horizon);
      expect(store.stats().takeovers).toBe(0);
    }
  });
});
