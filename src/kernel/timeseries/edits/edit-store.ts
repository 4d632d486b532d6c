import { sql } from "kysely";
import { fromJsonText, jsonText } from "../../database/columns.ts";
import type { Queryable, Tx } from "../../database/engine.ts";
import type { Micros, Millis } from "../../time.ts";
import { decodeChunk } from "../codec/chunk.ts";
import type { PointPage, StreamId, TimeRange } from "../types.ts";
import type { EditOperation } from "./edit-operation.ts";
import type { EditPlan } from "./edit-plan.ts";
import type { EditTables } from "./edit-tables.ts";
import type { EditTotals } from "./edit-totals.ts";

/** An edit that was made. */
export interface StreamEdit {
  readonly id: number;
  readonly stream: StreamId;
  readonly time: Millis;
  readonly operation: EditOperation;
  readonly range: TimeRange;
  readonly reason: string;
  /** The name of who made it. */
  readonly actor: string;
  readonly before: EditTotals;
  readonly after: EditTotals;
  /** The edit that it undoes. */
  readonly undoes: number | null;
  readonly undoneBy: number | null;
}

export type Side = "before" | "after";
const sideNumbers = { before: 0, after: 1 } as const;

const tables = (db: Queryable) => db.withTables<EditTables>();
/** SQLite takes 32,766 parameters; four a row, and blobs of some kilobytes. */
const pagesPerStatement = 64;
const pagesPerQuery = 16;

/** Newest first. */
export async function listEdits(
  db: Queryable,
  stream: StreamId,
  { before, limit }: { readonly before?: number; readonly limit: number },
): Promise<readonly StreamEdit[]> {
  let query = tables(db).selectFrom("stream_edits").selectAll().where("stream_id", "=", stream);
  if (before !== undefined) query = query.where("id", "<", before);
  return (await query.orderBy("id", "desc").limit(limit).execute()).map(editOf);
}

export async function getEdit(db: Queryable, stream: StreamId, id: number): Promise<StreamEdit | undefined> {
  const row = await tables(db)
    .selectFrom("stream_edits")
    .selectAll()
    .where("stream_id", "=", stream)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && editOf(row);
}

interface EditRow {
  readonly id: number;
  readonly stream_id: number;
  readonly time: number;
  readonly operation: string;
  readonly reason: string;
  readonly actor: string;
  readonly range_from: Micros;
  readonly range_to: Micros;
  readonly before_totals: string;
  readonly after_totals: string;
  readonly undoes: number | null;
  readonly undone_by: number | null;
}

const editOf = (row: EditRow): StreamEdit => ({
  id: row.id,
  stream: row.stream_id,
  time: row.time,
  operation: fromJsonText(row.operation) as EditOperation,
  range: { from: row.range_from, to: row.range_to },
  reason: row.reason,
  actor: row.actor,
  before: fromJsonText(row.before_totals) as EditTotals,
  after: fromJsonText(row.after_totals) as EditTotals,
  undoes: row.undoes,
  undoneBy: row.undone_by,
});

/** Keeps the edit, with the points of both sides. */
export async function insertEdit(
  tx: Tx,
  edit: Omit<StreamEdit, "id" | "undoneBy">,
  plan: EditPlan,
): Promise<StreamEdit> {
  const { id } = await tables(tx)
    .insertInto("stream_edits")
    .values({
      stream_id: edit.stream,
      time: edit.time,
      operation: jsonText(edit.operation),
      reason: edit.reason,
      actor: edit.actor,
      range_from: edit.range.from,
      range_to: edit.range.to,
      before_totals: jsonText(edit.before),
      after_totals: jsonText(edit.after),
      undoes: edit.undoes,
      undone_by: null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await insertPages(tx, id, "before", plan.before.blobs);
  await insertPages(tx, id, "after", plan.after.blobs);
  if (edit.undoes !== null)
    await tables(tx)
      .updateTable("stream_edits")
      .set({ undone_by: id })
      .where("id", "=", edit.undoes)
      .execute();
  return { ...edit, id, undoneBy: null };
}

async function insertPages(tx: Tx, id: number, side: Side, blobs: readonly Uint8Array[]): Promise<void> {
  const rows = blobs.map((blob, page) => ({ edit_id: id, side: sideNumbers[side], page, blob }));
  for (let at = 0; at < rows.length; at += pagesPerStatement)
    await tables(tx)
      .insertInto("stream_edit_points")
      .values(rows.slice(at, at + pagesPerStatement))
      .execute();
}

/** The points of one side, as they were encoded. */
export async function* readSide(db: Queryable, id: number, side: Side): AsyncGenerator<PointPage> {
  for (let after = -1; ; ) {
    const rows = await tables(db)
      .selectFrom("stream_edit_points")
      .select(["page", "blob"])
      .where("edit_id", "=", id)
      .where("side", "=", sideNumbers[side])
      .where("page", ">", after)
      .orderBy("page")
      .limit(pagesPerQuery)
      .execute();
    for (const { page, blob } of rows) {
      after = page;
      yield decodeChunk(blob);
    }
    if (rows.length < pagesPerQuery) return;
  }
}

/** For streams that are removed. */
export async function removeEdits(tx: Tx, streams: readonly StreamId[]): Promise<void> {
  const db = tables(tx);
  const idsPerStatement = 1000;
  for (let at = 0; at < streams.length; at += idsPerStatement) {
    const ids = streams.slice(at, at + idsPerStatement);
    await sql`delete from stream_edit_points where edit_id in (
      select id from stream_edits where stream_id in (${sql.join(ids)}))`.execute(tx);
    await db.deleteFrom("stream_edits").where("stream_id", "in", ids).execute();
  }
}
