import { sql } from "kysely";
import { postgresTypes } from "../database/columns.ts";
import type { Migrations } from "../database/engine.ts";

export const changesMigrations: Migrations = {
  "kernel/0001-changes": async (db, types) => {
    await db.schema
      .createTable("changes")
      .addColumn("id", types.integer, types.generatedKey)
      .addColumn("time", types.integer, (column) => column.notNull())
      .addColumn("node", types.text, (column) => column.notNull())
      .addColumn("principal_id", types.integer)
      .addColumn("actor_name", types.text, (column) => column.notNull())
      .addColumn("via", types.text, (column) => column.notNull())
      .addColumn("address", types.text)
      .addColumn("request_id", types.text)
      .addColumn("action", types.text, (column) => column.notNull())
      .addColumn("resource", types.text, (column) => column.notNull())
      .addColumn("object", types.text, (column) => column.notNull())
      .addColumn("before", types.json, (column) => column.notNull())
      .addColumn("after", types.json, (column) => column.notNull())
      .addColumn("reason", types.text)
      .execute();
    await db.schema
      .createIndex("changes_by_object")
      .on("changes")
      .columns(["resource", "object", "id"])
      .execute();
    await db.schema
      .createIndex("changes_by_principal")
      .on("changes")
      .columns(["principal_id", "id"])
      .execute();
    if (types !== postgresTypes) return;
    // Numbers drawn from a sequence become visible in the order of commits, not of drawing: a reader that goes on
    // from the last number it saw can miss one. The transaction's own number with a snapshot cannot (feed.ts).
    await sql`alter table changes add column xact xid8 not null default pg_current_xact_id()`.execute(db);
    await sql`create index changes_by_xact on changes (xact)`.execute(db);
  },
};
