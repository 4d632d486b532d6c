import { sql } from "kysely";
import { fromJsonText, jsonText } from "../../database/columns.ts";
import type { Database, Queryable, Tx } from "../../database/engine.ts";
import { Problem } from "../../errors.ts";
import type { Micros, Millis } from "../../time.ts";
import type { StreamId, TimeRange } from "../types.ts";
import { type EditPoints, removeSomeChunks } from "./edit-chunks.ts";
import type { EditOperation } from "./edit-operation.ts";
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
  /** Where the points before and after it are kept. */
  readonly points: EditPoints;
}

const tables = (db: Queryable) => db.withTables<EditTables>();
/** Newest first. */
export async function listEdits(
  db: Queryable,
  stream: StreamId,
  { before, limit }: { readonly before?: number; readonly limit: number },
): Promise<readonly StreamEdit[]> {
  let query = tables(db)
    .selectFrom("stream_edits")
    .selectAll()
    .where("stream_id", "=", stream)
    .where("made", "=", 1);
  if (before !== undefined) query = query.where("id", "<", before);
  return (await query.orderBy("id", "desc").limit(limit).execute()).map(editOf);
}

export async function getEdit(db: Queryable, stream: StreamId, id: number): Promise<StreamEdit | undefined> {
  const row = await tables(db)
    .selectFrom("stream_edits")
    .selectAll()
    .where("stream_id", "=", stream)
    .where("id", "=", id)
    .where("made", "=", 1)
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
  readonly points_of: number | null;
  readonly flipped: number;
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
  points: { edit: row.points_of ?? row.id, flipped: row.flipped === 1 },
});

type NewEdit = Omit<StreamEdit, "id" | "undoneBy" | "points" | "before" | "after">;

/** An edit that is being prepared: it is not there yet, but its chunks can be kept. @returns its id */
export async function beginEdit(tx: Tx, edit: NewEdit): Promise<number> {
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
      before_totals: "{}",
      after_totals: "{}",
      undoes: edit.undoes,
      undone_by: null,
      made: 0,
      points_of: null,
      flipped: 0,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

/** @throws Problem `conflict` when what it undoes was undone meanwhile, or it was prepared for too long */
export async function finishEdit(tx: Tx, edit: Omit<StreamEdit, "undoneBy">): Promise<StreamEdit> {
  if (edit.undoes !== null) {
    const undone = await tables(tx)
      .updateTable("stream_edits")
      .set({ undone_by: edit.id })
      .where("id", "=", edit.undoes)
      .where("undone_by", "is", null)
      .returning("id")
      .execute();
    if (undone.length === 0)
      throw new Problem("conflict", { detail: `Edit ${edit.undoes} is undone already.` });
  }
  const made = await tables(tx)
    .updateTable("stream_edits")
    .set({
      made: 1,
      time: edit.time,
      before_totals: jsonText(edit.before),
      after_totals: jsonText(edit.after),
      points_of: edit.points.edit === edit.id ? null : edit.points.edit,
      flipped: edit.points.flipped ? 1 : 0,
    })
    .where("id", "=", edit.id)
    .where("made", "=", 0)
    .returning("id")
    .execute();
  if (made.length === 0)
    throw new Problem("conflict", { detail: "The edit took too long to prepare; edit the range in parts." });
  return { ...edit, undoneBy: null };
}

/** Removes what was kept for an edit that is not made; `row` too, when it will not be tried again. */
export async function removeUnmade(
  database: Database,
  bucket: number,
  id: number,
  row: boolean,
): Promise<void> {
  while (await database.write((tx) => removeSomeChunks(tx, bucket, sql`${id}`)));
  if (row)
    await database.write((tx) =>
      tables(tx).deleteFrom("stream_edits").where("id", "=", id).where("made", "=", 0).execute(),
    );
}

/** Edits that were begun before `time` and never made. */
export const unmadeEdits = (
  db: Queryable,
  time: Millis,
): Promise<readonly { readonly id: number; readonly stream_id: StreamId }[]> =>
  tables(db)
    .selectFrom("stream_edits")
    .select(["id", "stream_id"])
    .where("made", "=", 0)
    .where("time", "<", time)
    .execute();

/** For streams that are removed. */
export async function removeEdits(tx: Tx, streams: readonly StreamId[]): Promise<void> {
  const db = tables(tx);
  const idsPerStatement = 1000;
  for (let at = 0; at < streams.length; at += idsPerStatement) {
    const ids = streams.slice(at, at + idsPerStatement);
    await sql`delete from stream_edit_chunks where edit_id in (
      select id from stream_edits where stream_id in (${sql.join(ids)}))`.execute(tx);
    await db.deleteFrom("stream_edits").where("stream_id", "in", ids).execute();
  }
}
