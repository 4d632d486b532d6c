import type { Migrations } from "../database/engine.ts";

/** What the embedded broker keeps over a restart. */
export const mqttMigrations: Migrations = {
  "mqtt/0001-broker-state": async (db, types) => {
    await db.schema
      .createTable("mqtt_retained")
      .addColumn("topic", types.text, (column) => column.primaryKey())
      .addColumn("payload", types.blob, (column) => column.notNull())
      .addColumn("qos", types.integer, (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("mqtt_subscriptions")
      .addColumn("client_id", types.text, (column) => column.notNull())
      .addColumn("filter", types.text, (column) => column.notNull())
      .addColumn("qos", types.integer, (column) => column.notNull())
      .addPrimaryKeyConstraint("mqtt_subscriptions_pk", ["client_id", "filter"])
      .execute();
    await db.schema
      .createTable("mqtt_queued")
      .addColumn("id", types.integer, (column) => column.primaryKey())
      .addColumn("client_id", types.text, (column) => column.notNull())
      .addColumn("topic", types.text, (column) => column.notNull())
      .addColumn("payload", types.blob, (column) => column.notNull())
      .addColumn("qos", types.integer, (column) => column.notNull())
      .addColumn("message_id", types.integer)
      .addColumn("released", types.boolean, (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("mqtt_incoming")
      .addColumn("client_id", types.text, (column) => column.notNull())
      .addColumn("message_id", types.integer, (column) => column.notNull())
      .addPrimaryKeyConstraint("mqtt_incoming_pk", ["client_id", "message_id"])
      .execute();
    await db.schema
      .createTable("mqtt_wills")
      .addColumn("client_id", types.text, (column) => column.primaryKey())
      .addColumn("broker_id", types.text, (column) => column.notNull())
      .addColumn("topic", types.text, (column) => column.notNull())
      .addColumn("payload", types.blob, (column) => column.notNull())
      .addColumn("qos", types.integer, (column) => column.notNull())
      .addColumn("retain", types.boolean, (column) => column.notNull())
      .execute();
  },
};
