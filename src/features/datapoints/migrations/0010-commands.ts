import { sql } from "kysely";
import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** What was written to actuators, and what became of it. Rows outlive their datapoints: they tell who did what. */
export const createCommands: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("commands")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("datapoint_id", types.integer, (column) => column.notNull())
    .addColumn("connector_id", types.integer, (column) => column.notNull())
    .addColumn("kind", types.text, (column) => column.notNull())
    .addColumn("payload", types.json, (column) => column.notNull())
    .addColumn("timestamp", types.integer, (column) => column.notNull())
    .addColumn("state", types.text, (column) => column.notNull())
    .addColumn("reason", types.text)
    .addColumn("principal_id", types.integer)
    .addColumn("actor_name", types.text, (column) => column.notNull())
    .addColumn("via", types.text, (column) => column.notNull())
    .addColumn("address", types.text)
    .addColumn("request_id", types.text)
    .addColumn("is_safe_value", types.boolean, (column) => column.notNull())
    // 0 for what certainly never left: guard rails do not count it.
    .addColumn("written", types.boolean, (column) => column.notNull())
    .addColumn("accepted_at", types.integer, (column) => column.notNull())
    .addColumn("published_at", types.integer)
    .addColumn("taken_at", types.integer)
    .addColumn("finished_at", types.integer)
    .addColumn("deadline", types.integer)
    .addColumn("feedback_id", types.integer)
    .addColumn("tolerance", types.double)
    .addColumn("within", types.integer)
    .addColumn("read_value", types.json)
    .addColumn("read_time", types.integer)
    .addColumn("superseded_by", types.integer)
    // When somebody must look after it; null in final states.
    .addColumn("due", types.integer)
    .execute();
  const index = (name: string, ...columns: string[]) =>
    db.schema.createIndex(name).on("commands").columns(columns).execute();
  await index("commands_by_datapoint", "datapoint_id", "id");
  // The last write, however many were refused since.
  await index("commands_written", "datapoint_id", "kind", "written", "id");
  // Whether a message is one of ours that the broker sent back.
  await index("commands_by_timestamp", "datapoint_id", "timestamp");
  await index("commands_by_acceptance", "accepted_at");
  await sql`create index commands_due on commands (due) where due is not null`.execute(db);
};
