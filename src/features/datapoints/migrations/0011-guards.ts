import { sql } from "kysely";
import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** Guard rails of actuators. */
export const createGuards: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("datapoint_guards")
    .addColumn("datapoint_id", types.integer, (column) =>
      column.primaryKey().references("datapoints.id").onDelete("cascade"),
    )
    .addColumn("min", types.double)
    .addColumn("max", types.double)
    .addColumn("max_rate", types.double)
    .addColumn("min_interval", types.integer)
    .addColumn("feedback_id", types.integer, (column) =>
      column.references("datapoints.id").onDelete("set null"),
    )
    .addColumn("tolerance", types.double)
    .addColumn("within", types.integer)
    .addColumn("expiry", types.integer)
    .addColumn("safe_value", types.json)
    // When the safe value is to be sent; null while nothing is in force that could expire.
    .addColumn("safe_due", types.integer)
    // The command that set it before the broker had taken it.
    .addColumn("armed_by", types.integer)
    .execute();
  await db.schema
    .createIndex("datapoint_guards_feedback")
    .on("datapoint_guards")
    .column("feedback_id")
    .execute();
  await sql`create index datapoint_guards_due on datapoint_guards (safe_due) where safe_due is not null`.execute(
    db,
  );
};
