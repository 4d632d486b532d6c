import { sql } from "kysely";
import type { Queryable, Tx } from "../../database/engine.ts";
import { decodeChunk } from "../codec/chunk.ts";
import type { NewChunk } from "../compactor.ts";
import { Turn } from "../turn.ts";
import { allTime, type PointPage } from "../types.ts";
import type { EditTables } from "./edit-tables.ts";

export type Side = "before" | "after";

/** Whose chunks an edit uses: its own, or those of the first of a row of undos; `flipped` where before is after. */
export interface EditPoints {
  readonly edit: number;
  readonly flipped: boolean;
}

/** 0 or 1: see PlaceChunksOperation. */
export const sideNumber = ({ flipped }: EditPoints, side: Side): number =>
  (side === "after") === flipped ? 0 : 1;

const tables = (db: Queryable) => db.withTables<EditTables>();
/** SQLite takes 32,766 parameters. */
const chunksPerStatement = 128;
const chunksPerQuery = 16;
/** Deleting keeps the writer from commits for some milliseconds. */
export const chunksPerSlice = 256;

/** Of an edit that is being prepared. */
export async function insertChunks(
  tx: Tx,
  bucket: number,
  edit: number,
  side: Side,
  chunks: readonly NewChunk[],
): Promise<void> {
  const key = { bucket, edit_id: edit, side: sideNumber({ edit, flipped: false }, side), codec: 1 };
  const rows = chunks.map(({ minTime, maxTime, numericCount, ...figures }) => ({
    ...key,
    ...figures,
    start_time: minTime,
    end_time: maxTime,
    numeric_count: numericCount,
  }));
  for (let at = 0; at < rows.length; at += chunksPerStatement)
    await tables(tx)
      .insertInto("stream_edit_chunks")
      .values(rows.slice(at, at + chunksPerStatement))
      .execute();
}

/** The points of one side. */
export async function* readSide(
  db: Queryable,
  bucket: number,
  points: EditPoints,
  side: Side,
): AsyncGenerator<PointPage> {
  const turn = new Turn();
  for (let after = allTime.from; ; ) {
    const rows = await tables(db)
      .selectFrom("stream_edit_chunks")
      .select(["start_time", "blob"])
      .where("bucket", "=", bucket)
      .where("edit_id", "=", points.edit)
      .where("side", "=", sideNumber(points, side))
      .where("start_time", ">", after)
      .orderBy("start_time")
      .limit(chunksPerQuery)
      .execute();
    for (const { start_time, blob } of rows) {
      after = start_time;
      yield decodeChunk(blob);
    }
    if (rows.length < chunksPerQuery) return;
    if (turn.isOver) await turn.next();
  }
}

/** Removes some chunks of the edits whose ids are `edits`, a list or a query. @returns whether there may be more */
export async function removeSomeChunks(
  tx: Tx,
  bucket: number,
  edits: ReturnType<typeof sql>,
): Promise<boolean> {
  const { rows } = await sql<{ edit_id: number; side: number; start_time: number }>`
    select edit_id, side, start_time from stream_edit_chunks
    where bucket = ${bucket} and edit_id in (${edits})
    order by edit_id, side, start_time limit ${chunksPerSlice}`.execute(tx);
  for (const [edit, ofEdit] of Map.groupBy(rows, ({ edit_id }) => edit_id))
    for (const [side, list] of Map.groupBy(ofEdit, (row) => row.side))
      await tables(tx)
        .deleteFrom("stream_edit_chunks")
        .where("bucket", "=", bucket)
        .where("edit_id", "=", edit)
        .where("side", "=", side)
        .where("start_time", "<=", list.at(-1)?.start_time ?? allTime.from)
        .execute();
  return rows.length === chunksPerSlice;
}
