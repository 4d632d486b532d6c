import type { Generated, Selectable } from "kysely";
import { fromJsonText, jsonText } from "../database/columns.ts";
import type { Queryable, Tx } from "../database/engine.ts";
import type { Change, ChangeFilter, RecordedChange } from "./changes.ts";

interface ChangesTable {
  id: Generated<number>;
  time: number;
  /** The process that wrote it. */
  node: string;
  principal_id: number | null;
  actor_name: string;
  via: string;
  address: string | null;
  request_id: string | null;
  action: string;
  resource: string;
  object: string;
  before: string;
  after: string;
  reason: string | null;
}

export type ChangeRow = Selectable<ChangesTable>;

export const changesTable = (db: Queryable) => db.withTables<{ changes: ChangesTable }>();

/** Fourteen columns each: well below what one statement may bind on either engine. */
const rowsPerInsert = 500;

/** @returns the changes as they can be read later, in the order given */
export async function insertChanges(
  tx: Tx,
  changes: readonly Change[],
  time: number,
  node: string,
): Promise<readonly RecordedChange[]> {
  const recorded: RecordedChange[] = [];
  for (let at = 0; at < changes.length; at += rowsPerInsert) {
    const part = changes.slice(at, at + rowsPerInsert);
    const rows = await changesTable(tx)
      .insertInto("changes")
      .values(part.map((change) => toRow(change, time, node)))
      .returning("id")
      .execute();
    const ids = rows.map((row) => row.id).sort((a, b) => a - b);
    for (const [index, change] of part.entries()) recorded.push({ ...change, id: ids[index] ?? 0, time });
  }
  return recorded;
}

/** Newest first. */
export async function selectChanges(db: Queryable, filter: ChangeFilter): Promise<readonly RecordedChange[]> {
  let query = changesTable(db).selectFrom("changes").selectAll().orderBy("id", "desc").limit(filter.limit);
  if (filter.resource !== undefined) query = query.where("resource", "=", filter.resource);
  if (filter.object !== undefined) query = query.where("object", "=", filter.object);
  if (filter.principalId !== undefined) query = query.where("principal_id", "=", filter.principalId);
  if (filter.before !== undefined) query = query.where("id", "<", filter.before);
  return (await query.execute()).map(fromRow);
}

const toRow = (change: Change, time: number, node: string) => ({
  time,
  node,
  principal_id: change.actor.principalId,
  actor_name: change.actor.name,
  via: change.actor.via,
  address: change.actor.address,
  request_id: change.actor.requestId,
  action: change.action,
  resource: change.resource,
  object: change.object,
  before: jsonText(change.before),
  after: jsonText(change.after),
  reason: change.reason ?? null,
});

export const fromRow = (row: ChangeRow): RecordedChange => ({
  id: row.id,
  time: row.time,
  actor: {
    principalId: row.principal_id,
    name: row.actor_name,
    via: row.via,
    address: row.address,
    requestId: row.request_id,
  },
  action: row.action as Change["action"],
  resource: row.resource,
  object: row.object,
  before: fromJsonText(row.before),
  after: fromJsonText(row.after),
  ...(row.reason === null ? {} : { reason: row.reason }),
});
