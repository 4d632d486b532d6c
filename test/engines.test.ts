import { sql } from "kysely";
import { expect, test } from "vitest";
import type { Migrations } from "../src/kernel/database/engine.ts";
import { describeEachEngine } from "./engines.ts";

const migrations: Migrations = {
  "test/0001-things": (db, types) => db.schema.createTable("things").addColumn("id", types.integer).execute(),
};

describeEachEngine("a test's database", (engine) => {
  test("is empty, migrated, and keeps what was written when it is reopened", async () => {
    const first = await engine.open({ migrations });
    await first.write(async (tx) => {
      await sql`insert into things (id) values (7)`.execute(tx);
    });
    await first[Symbol.asyncDispose]();
    await using again = await engine.reopen(first);
    const { rows } = await sql<{ id: number }>`select id from things`.execute(again.read);
    expect(rows.map((row) => row.id)).toEqual([7]);
  });

  test("is not shared with another test", async () => {
    await using database = await engine.open({ migrations });
    const { rows } = await sql`select id from things`.execute(database.read);
    expect(rows).toEqual([]);
  });
});
