import { sql } from "kysely";
import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** Controllers, and which sensor and actuator each of them is given. */
export const createControllers: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("controllers")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("name", types.text, (column) => column.notNull().unique())
    .addColumn("topic", types.text, (column) => column.notNull().unique())
    .execute();

  await db.schema
    .createTable("controlled_datapoints")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("controller_id", types.integer, (column) => column.notNull().references("controllers.id"))
    .addColumn("sensor_id", types.integer, (column) => column.notNull().references("datapoints.id"))
    .addColumn("actuator_id", types.integer, (column) => column.notNull().references("datapoints.id"))
    .addColumn("is_active", types.boolean, (column) => column.notNull())
    // Whether Busbar itself is the controller.
    .addColumn("builtin", types.boolean, (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("controlled_datapoints_identity")
    .on("controlled_datapoints")
    .columns(["controller_id", "sensor_id", "actuator_id"])
    .unique()
    .execute();
  for (const column of ["sensor_id", "actuator_id"])
    await db.schema
      .createIndex(`controlled_datapoints_${column}`)
      .on("controlled_datapoints")
      .column(column)
      .execute();

  // Retained messages still to be emptied on the broker, and what is empty for their readers: the maps of connectors
  // and the lists of controllers that were deleted or renamed, perhaps while it was away.
  await db.schema
    .createTable("retained_clearings")
    .addColumn("topic", types.text, (column) => column.primaryKey())
    .addColumn("payload", types.text, (column) => column.notNull())
    .addColumn("since", types.integer, (column) => column.notNull())
    .execute();
  await sql`insert into retained_clearings (topic, payload, since)
    select topic, '{"sensor":{},"actuator":{}}', since from datapoint_map_clearings`.execute(db);
  await db.schema.dropTable("datapoint_map_clearings").execute();
};
