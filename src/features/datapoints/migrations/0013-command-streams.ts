import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** The stream into which the steps of a datapoint's commands go, for those who follow them live. */
export const addCommandStreams: MigrationStep = async (db, types) => {
  await db.schema.alterTable("datapoints").addColumn("command_stream", types.integer).execute();
};
