import { sql } from "kysely";
import type { MigrationStep } from "../../../kernel/database/engine.ts";

/** What every start reads is found without passing all that connectors have ever announced. */
export const indexActiveDatapoints: MigrationStep = async (db) => {
  await sql`create index datapoints_active_of_connector on datapoints (connector_id, id)
    where is_active = 1`.execute(db);
  await sql`create index datapoints_active on datapoints (id) where is_active = 1`.execute(db);
};
