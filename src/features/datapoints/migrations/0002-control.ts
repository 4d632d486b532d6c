import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** Setpoints and schedules of actuators, each a stream of its own. */
export const addControl: MigrationStep = async (db, types) => {
  await db.schema.alterTable("datapoints").addColumn("setpoint_stream", types.integer).execute();
  await db.schema.alterTable("datapoints").addColumn("schedule_stream", types.integer).execute();
};
