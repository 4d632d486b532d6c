import { type Generated, sql } from "kysely";
import type { MigrationStep } from "../../database/engine.ts";
import { decodeChunk } from "../codec/chunk.ts";
import { summarize } from "../codec/summary.ts";
import { bucketOf } from "../storage.ts";

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
    /** 0: it is being prepared, or was not made. */
    made: number;
    /** The edit whose chunks it uses, null: its own; `flipped` where those before are those after. */
    points_of: number | null;
    flipped: number;
  };
  /** The points of the range before (side 0) and after (side 1) an edit; as the table `chunks`. */
  stream_edit_chunks: {
    bucket: number;
    edit_id: number;
    side: number;
    start_time: number;
    end_time: number;
    count: number;
    numeric_count: number;
    min: number | null;
    max: number | null;
    sum: number | null;
    first: number | null;
    last: number | null;
    codec: number;
    blob: Uint8Array;
  };
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

/** Chunks that can be read by time, and copied as they are; made of the pages that were kept before. */
export const createEditChunks: MigrationStep = async (db, types) => {
  for (const [column, type, value] of [
    ["made", types.integer, 1],
    ["points_of", types.integer, null],
    ["flipped", types.integer, 0],
  ] as const)
    await db.schema
      .alterTable("stream_edits")
      .addColumn(column, type, (definition) =>
        value === null ? definition : definition.notNull().defaultTo(value),
      )
      .execute();
  await db.schema
    .createTable("stream_edit_chunks")
    .addColumn("bucket", types.integer, (column) => column.notNull())
    .addColumn("edit_id", types.integer, (column) => column.notNull())
    .addColumn("side", types.integer, (column) => column.notNull())
    .addColumn("start_time", types.integer, (column) => column.notNull())
    .addColumn("end_time", types.integer, (column) => column.notNull())
    .addColumn("count", types.integer, (column) => column.notNull())
    .addColumn("numeric_count", types.integer, (column) => column.notNull())
    .addColumn("min", types.double)
    .addColumn("max", types.double)
    .addColumn("sum", types.double)
    .addColumn("first", types.double)
    .addColumn("last", types.double)
    .addColumn("codec", types.integer, (column) => column.notNull())
    .addColumn("blob", types.blob, (column) => column.notNull())
    .addPrimaryKeyConstraint("stream_edit_chunks_key", ["bucket", "edit_id", "side", "start_time"])
    .modifyEnd(types.clustered)
    .execute();
  await types.incompressible("stream_edit_chunks", "blob")?.execute(db);
  await movePages(db);
  await db.schema.dropTable("stream_edit_points").execute();
};

const pagesAtOnce = 64;

async function movePages(db: Parameters<MigrationStep>[0]): Promise<void> {
  const heads = await sql<{ n: number }>`select count(*) as n from log_head`.execute(db);
  const buckets = heads.rows[0]?.n ?? 1;
  for (let done = 0; ; done += pagesAtOnce) {
    const { rows } = await sql<{ edit_id: number; stream_id: number; side: number; blob: Uint8Array }>`
      select p.edit_id, e.stream_id, p.side, p.blob from stream_edit_points p
      join stream_edits e on e.id = p.edit_id
      order by p.edit_id, p.side, p.page limit ${pagesAtOnce} offset ${done}`.execute(db);
    for (const { edit_id, stream_id, side, blob } of rows) {
      const { minTime, maxTime, numericCount, ...figures } = summarize(decodeChunk(blob));
      const bucket = bucketOf(stream_id, buckets);
      await db
        .withTables<EditTables>()
        .insertInto("stream_edit_chunks")
        .values({
          ...figures,
          bucket,
          edit_id,
          side,
          start_time: minTime,
          end_time: maxTime,
          numeric_count: numericCount,
          codec: 1,
          blob,
        })
        .execute();
    }
    if (rows.length < pagesAtOnce) return;
  }
}
