import type { Generated } from "kysely";
import type { MigrationStep } from "../../database/engine.ts";

export type EditTables = {
  /** Edits of ranges; times in microseconds, `time` (when it was made) in milliseconds. */
  stream_edits: {
    id: Generated<number>;
    stream_id: number;
    time: number;
    /** JSON: see edit-operation.ts. */
    operation: string;
    reason: string;
    actor: string;
    range_from: number;
    range_to: number;
    /** JSON: see edit-totals.ts. */
    before_totals: string;
    after_totals: string;
    /** The edit that this one undoes, and the one that has undone it. */
    undoes: number | null;
    undone_by: number | null;
  };
  /** The points of the range before (side 0) and after (side 1) an edit, in pages as chunks are encoded. */
  stream_edit_points: { edit_id: number; side: number; page: number; blob: Uint8Array };
};

export const createEditTables: MigrationStep = async (db, types) => {
  await db.schema
    .createTable("stream_edits")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("stream_id", types.integer, (column) => column.notNull())
    .addColumn("time", types.integer, (column) => column.notNull())
    .addColumn("operation", types.json, (column) => column.notNull())
    .addColumn("reason", types.text, (column) => column.notNull())
    .addColumn("actor", types.text, (column) => column.notNull())
    .addColumn("range_from", types.integer, (column) => column.notNull())
    .addColumn("range_to", types.integer, (column) => column.notNull())
    .addColumn("before_totals", types.json, (column) => column.notNull())
    .addColumn("after_totals", types.json, (column) => column.notNull())
    .addColumn("undoes", types.integer)
    .addColumn("undone_by", types.integer)
    .execute();
  await db.schema
    .createIndex("stream_edits_by_stream")
    .on("stream_edits")
    .columns(["stream_id", "id"])
    .execute();
  await db.schema
    .createTable("stream_edit_points")
    .addColumn("edit_id", types.integer, (column) => column.notNull())
    .addColumn("side", types.integer, (column) => column.notNull())
    .addColumn("page", types.integer, (column) => column.notNull())
    .addColumn("blob", types.blob, (column) => column.notNull())
    .addPrimaryKeyConstraint("stream_edit_points_key", ["edit_id", "side", "page"])
    .execute();
  await types.incompressible("stream_edit_points", "blob")?.execute(db);
};
