import type { MigrationStep } from "../../../kernel/database/engine.ts";

export const createTickets: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("live_tickets")
    .addColumn("hash", types.text, (column) => column.primaryKey())
    .addColumn("sealed", types.blob, (column) => column.notNull())
    .addColumn("expires_at", types.integer, (column) => column.notNull())
    .execute();
};
