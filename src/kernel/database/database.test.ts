import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";
import { afterCommit, type Migrations, type Queryable } from "./engine.ts";
import { isUniqueViolation } from "./faults.ts";
import { migrate } from "./migrate.ts";
import { openSqlite } from "./sqlite.ts";

type Things = { things: { id?: number; name: string; bytes?: Uint8Array | null } };
const things = (db: Queryable) => db.withTables<Things>();

const migrations: Migrations = {
  "test/0001-things": async (db, types) => {
    await db.schema
      .createTable("things")
      .addColumn("id", types.integer, types.generatedKey)
      .addColumn("name", types.text, (column) => column.notNull().unique())
      .addColumn("bytes", types.blob)
      .execute();
  },
};

describeEachEngine("database", (engine) => {
  test("a migration runs once, and a newer schema is refused by name", async () => {
    await using database = await engine.open();
    expect(await migrate(database, migrations)).toEqual(["test/0001-things"]);
    expect(await migrate(database, migrations)).toEqual([]);
    await expect(migrate(database, {})).rejects.toThrow(/newer version.*test\/0001-things/);
  });

  test("a migration that fails half way leaves nothing behind", async () => {
    await using database = await engine.open();
    const broken: Migrations = {
      "test/0001-broken": async (db, types) => {
        await db.schema.createTable("halves").addColumn("id", types.integer).execute();
        throw new Error("half way");
      },
    };
    await expect(migrate(database, broken)).rejects.toThrow(
      /test\/0001-broken failed and was rolled back: half way/,
    );
    const mended: Migrations = {
      "test/0001-broken": async (db, types) => {
        await db.schema.createTable("halves").addColumn("id", types.integer).execute();
      },
    };
    expect(await migrate(database, mended)).toEqual(["test/0001-broken"]);
  });

  test("a write is all or nothing, and its after-commit callbacks run only when it commits", async () => {
    await using database = await engine.open({ migrations });
    const events: string[] = [];
    const failing = database.write(async (tx) => {
      await things(tx).insertInto("things").values({ name: "a" }).execute();
      afterCommit(tx, () => events.push("rolled back"));
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await database.write(async (tx) => {
      await things(tx)
        .insertInto("things")
        .values({ name: "b", bytes: new Uint8Array([0, 255]) })
        .execute();
      afterCommit(tx, () => events.push("committed"));
    });
    const rows = await things(database.read).selectFrom("things").selectAll().execute();
    expect(rows.map((row) => [row.name, [...(row.bytes ?? [])]])).toEqual([["b", [0, 255]]]);
    expect(events).toEqual(["committed"]);
  });

  test("blobs that are pieces of one buffer are written as any other, and stay as they are", async () => {
    await using database = await engine.open({ migrations });
    const whole = new Uint8Array([1, 2, 3, 4]);
    const pieces = [whole.subarray(0, 1), whole.subarray(1, 4)];
    const rows = pieces.map((bytes, index) => ({ name: `p${index}`, bytes }));
    await database.write((tx) => things(tx).insertInto("things").values(rows).execute());
    const read = await things(database.read).selectFrom("things").selectAll().orderBy("name").execute();
    expect(read.map(({ bytes }) => [...(bytes ?? [])])).toEqual([[1], [2, 3, 4]]);
    expect([...whole]).toEqual([1, 2, 3, 4]);
  });

  test("a unique violation is told apart, and the connection stays usable", async () => {
    await using database = await engine.open({ migrations });
    const add = () => database.write((tx) => things(tx).insertInto("things").values({ name: "a" }).execute());
    await add();
    const error = await add().catch((caught: unknown) => caught);
    expect(isUniqueViolation(error)).toBe(true);
    await database.ping();
  });

  test("fifty writers at once each see a transaction of their own", async () => {
    await using database = await engine.open({ migrations });
    const names = Array.from({ length: 50 }, (_, index) => `n${index}`);
    await Promise.all(
      names.map((name) => database.write((tx) => things(tx).insertInto("things").values({ name }).execute())),
    );
    const rows = await things(database.read).selectFrom("things").select("name").orderBy("id").execute();
    expect(rows.map((row) => row.name).toSorted()).toEqual(names.toSorted());
  });
});

describeOnPostgres("a connection that is lost", (engine) => {
  test("between two statements of a transaction fails that one, and nothing else", async () => {
    await using database = await engine.open({ migrations });
    const ended = database.write(async (tx) => {
      await things(tx).insertInto("things").values({ name: "lost" }).execute();
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      const pid = rows[0]?.pid ?? 0;
      await sql`select pg_terminate_backend(${pid})`.execute(database.read);
      await until("the end of the connection", async () => {
        const left = await sql`select 1 from pg_stat_activity where pid = ${pid}`.execute(database.read);
        return left.rows.length === 0;
      });
      await things(tx).insertInto("things").values({ name: "too late" }).execute();
    });
    await expect(ended).rejects.toMatchObject({ code: "store-unavailable" });
    await database.write((tx) => things(tx).insertInto("things").values({ name: "next" }).execute());
    const rows = await things(database.read).selectFrom("things").select("name").execute();
    expect(rows).toEqual([{ name: "next" }]);
  });
});

test("a SQLite file of another program is refused and left as it was", async () => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  try {
    const file = join(folder, "foreign.db");
    const foreign = new DatabaseSync(file);
    foreign.exec("create table notes (text); insert into notes values ('mine')");
    foreign.close();
    await expect(openSqlite(file)).rejects.toThrow(/another program/);
    const again = new DatabaseSync(file);
    expect(again.prepare("select text from notes").all().length).toBe(1);
    expect(again.prepare("pragma journal_mode").get()?.["journal_mode"]).toBe("delete");
    again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
