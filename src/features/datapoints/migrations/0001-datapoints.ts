import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** Connectors, their logs, and their datapoints. Values live in the time-series store, by the stream's id. */
export const createDatapoints: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("connectors")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("name", types.text, (column) => column.notNull().unique())
    .addColumn("added", types.integer, (column) => column.notNull())
    .addColumn("last_changed", types.integer, (column) => column.notNull())
    .addColumn("last_heartbeat", types.integer)
    .addColumn("next_heartbeat", types.integer)
    .execute();

  await db.schema
    .createTable("connector_logs")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("connector_id", types.integer, (column) => column.notNull().references("connectors.id"))
    .addColumn("timestamp", types.integer, (column) => column.notNull())
    .addColumn("level", types.integer, (column) => column.notNull())
    .addColumn("emitter", types.text)
    .addColumn("msg", types.text, (column) => column.notNull())
    // Of level, emitter and msg: an entry that the broker delivers again is the same entry.
    .addColumn("digest", types.text, (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("connector_logs_entry")
    .on("connector_logs")
    .columns(["connector_id", "timestamp", "digest"])
    .unique()
    .execute();

  await db.schema
    .createTable("datapoints")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("connector_id", types.integer, (column) => column.notNull().references("connectors.id"))
    .addColumn("key_in_connector", types.text, (column) => column.notNull())
    .addColumn("type", types.text, (column) => column.notNull())
    .addColumn("is_active", types.boolean, (column) => column.notNull())
    .addColumn("data_format", types.text, (column) => column.notNull())
    .addColumn("short_name", types.text, (column) => column.unique())
    .addColumn("description", types.text, (column) => column.notNull())
    .addColumn("unit", types.text, (column) => column.notNull())
    .addColumn("allowed_values", types.json)
    .addColumn("min_value", types.double)
    .addColumn("max_value", types.double)
    .addColumn("example_value", types.json)
    // Made with the first activation or the first history written to it.
    .addColumn("value_stream", types.integer)
    .execute();
  await db.schema
    .createIndex("datapoints_identity")
    .on("datapoints")
    .columns(["connector_id", "key_in_connector", "type"])
    .unique()
    .execute();

  // Retained maps still to be emptied on the broker: of connectors deleted or renamed, perhaps while it was away.
  await db.schema
    .createTable("datapoint_map_clearings")
    .addColumn("topic", types.text, (column) => column.primaryKey())
    .addColumn("since", types.integer, (column) => column.notNull())
    .execute();
};
