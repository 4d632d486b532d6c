import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";
import type { Database } from "../database/engine.ts";
import { createLog } from "../observe/log.ts";
import { serverActor } from "./actor.ts";
import { createChangeLog } from "./change-log.ts";
import type { Change, ChangeLog } from "./changes.ts";
import { changesMigrations } from "./migrations.ts";

const clock = { now: () => 1_700_000_000_000 };
const log = createLog("silent");

const change = (object: string, resource = "thing"): Change => ({
  actor: { principalId: 7, name: "ann", via: "basic", address: "192.0.2.1", requestId: "r1" },
  action: "update",
  resource,
  object,
  before: { size: 1 },
  after: { size: 2, text: "ü" },
  reason: "because",
});

const write = (database: Database, changes: ChangeLog, objects: readonly string[]) =>
  database.write((tx) =>
    changes.record(
      tx,
      objects.map((object) => change(object)),
    ),
  );

const collect = (changes: ChangeLog): string[] => {
  const seen: string[] = [];
  changes.subscribe(({ object }) => seen.push(object));
  return seen;
};

describeEachEngine("changes", (engine) => {
  test("what is recorded is read back whole, newest first, by each filter", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using changes = await createChangeLog({ database, clock, log });
    await database.write(async (tx) => {
      await changes.record(tx, [change("1"), change("2"), change("1", "other")]);
      await changes.record(tx, [{ ...change("3"), actor: serverActor(), before: null }]);
    });
    const all = await changes.list(database.read, { limit: 10 });
    expect(all.map(({ id, object, resource }) => [id, object, resource])).toEqual([
      [4, "3", "thing"],
      [3, "1", "other"],
      [2, "2", "thing"],
      [1, "1", "thing"],
    ]);
    expect(all[3]).toEqual({ ...change("1"), id: 1, time: clock.now() });
    const ids = async (filter: object) =>
      (await changes.list(database.read, { limit: 10, ...filter })).map(({ id }) => id);
    expect(await ids({ resource: "thing" })).toEqual([4, 2, 1]);
    expect(await ids({ resource: "thing", object: "1" })).toEqual([1]);
    expect(await ids({ principalId: 7, before: 3 })).toEqual([2, 1]);
    expect(await ids({ limit: 1 })).toEqual([4]);
  });

  test("listeners hear a change after the commit, before the write resolves, and nothing of a rollback", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using changes = await createChangeLog({ database, clock, log });
    const seen = collect(changes);
    await expect(
      database.write(async (tx) => {
        await changes.record(tx, [change("lost")]);
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    await write(database, changes, ["a", "b"]);
    expect(seen).toEqual(["a", "b"]);
  });

  test("a listener that throws does not keep the others from hearing, and one that stops hears no more", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using changes = await createChangeLog({ database, clock, log });
    changes.subscribe(() => {
      throw new Error("broken listener");
    });
    const seen: string[] = [];
    const stop = changes.subscribe(({ object }) => seen.push(object));
    await write(database, changes, ["a"]);
    stop();
    await write(database, changes, ["b"]);
    expect(seen).toEqual(["a"]);
  });

  test("two nodes hear every change of either, each once", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using second = await engine.reopen(database);
    await using ours = await createChangeLog({ database, clock, log, pollMillis: 20 });
    await using theirs = await createChangeLog({ database: second, clock, log, pollMillis: 20 });
    const seenHere = collect(ours);
    const seenThere = collect(theirs);
    const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
    await Promise.all(
      names.map((name, index) => write(index % 2 ? database : second, index % 2 ? ours : theirs, [name])),
    );
    await until("all on both", () => seenHere.length >= 40 && seenThere.length >= 40);
    await write(database, ours, ["last"]);
    await until("the last one", () => seenThere.includes("last"));
    expect(seenHere.toSorted()).toEqual([...names, "last"].toSorted());
    expect(seenThere.toSorted()).toEqual([...names, "last"].toSorted());
  });

  test("a node that starts later hears only what comes after", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using ours = await createChangeLog({ database, clock, log });
    await write(database, ours, ["before"]);
    await using second = await engine.reopen(database);
    await using theirs = await createChangeLog({ database: second, clock, log, pollMillis: 20 });
    const seen = collect(theirs);
    await write(database, ours, ["after"]);
    await until("the later one", () => seen.length > 0);
    expect(seen).toEqual(["after"]);
  });

  if (engine.name !== "postgres") return;

  test("a slow transaction is heard although later numbers were seen before it", async () => {
    await using database = await engine.open({ migrations: changesMigrations });
    await using second = await engine.reopen(database);
    await using ours = await createChangeLog({ database, clock, log });
    await using theirs = await createChangeLog({ database: second, clock, log, pollMillis: 20 });
    const seen = collect(theirs);
    const recorded = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const slow = database.write(async (tx) => {
      await ours.record(tx, [change("slow")]);
      recorded.resolve();
      await mayCommit.promise;
    });
    await recorded.promise;
    await write(database, ours, ["quick"]);
    await until("the quick one", () => seen.includes("quick"));
    mayCommit.resolve();
    await slow;
    await until("the slow one", () => seen.includes("slow"));
    expect(seen).toEqual(["quick", "slow"]);
  });

  test("rows restored with another cluster's transaction numbers are no news", async () => {
    const { sql } = await import("kysely");
    await using database = await engine.open({ migrations: changesMigrations });
    await using ours = await createChangeLog({ database, clock, log });
    await write(database, ours, ["restored"]);
    await sql`update changes set xact = '4000000000000'`.execute(database.read);
    await using second = await engine.reopen(database);
    await using theirs = await createChangeLog({ database: second, clock, log, pollMillis: 20 });
    const seen = collect(theirs);
    await write(database, ours, ["new"]);
    await until("the new one", () => seen.length > 0);
    expect(seen).toEqual(["new"]);
  });
});
