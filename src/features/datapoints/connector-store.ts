import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Queryable, Tx } from "../../kernel/database/engine.ts";
import { notFound } from "../../kernel/errors.ts";
import type { Millis } from "../../kernel/time.ts";
import { type Connector, mapTopic } from "./model.ts";
import { removeClearings } from "./retained-store.ts";
import { chunks, connectorOf, tables } from "./tables.ts";

const idsPerStatement = 1000;
const rowsPerStatement = 500;

export async function listConnectors(
  db: Queryable,
  page: { readonly after?: number; readonly limit?: number; readonly name?: string } = {},
): Promise<readonly Connector[]> {
  let query = tables(db).selectFrom("connectors").selectAll().orderBy("id");
  if (page.name !== undefined) query = query.where("name", "=", page.name);
  if (page.after !== undefined) query = query.where("id", ">", page.after);
  if (page.limit !== undefined) query = query.limit(page.limit);
  return (await query.execute()).map(connectorOf);
}

export const listConnectorNames = (db: Queryable): Promise<readonly { id: number; name: string }[]> =>
  tables(db).selectFrom("connectors").select(["id", "name"]).orderBy("id").execute();

export async function getConnector(db: Queryable, id: number): Promise<Connector> {
  const row = await tables(db).selectFrom("connectors").selectAll().where("id", "=", id).executeTakeFirst();
  if (!row) throw notFound("connector", id);
  return connectorOf(row);
}

export async function findConnectorsByName(
  db: Queryable,
  names: readonly string[],
): Promise<readonly Connector[]> {
  const found: Connector[] = [];
  for (const part of chunks(names, idsPerStatement)) {
    const rows = await tables(db).selectFrom("connectors").selectAll().where("name", "in", part).execute();
    found.push(...rows.map(connectorOf));
  }
  return found;
}

/** In the order of the names, which must be new. */
export async function insertConnectors(
  tx: Tx,
  names: readonly string[],
  now: Millis,
): Promise<readonly Connector[]> {
  for (const part of chunks(names, rowsPerStatement)) {
    const rows = part.map((name) => ({ name, added: now, last_changed: now }));
    await tables(tx).insertInto("connectors").values(rows).execute();
    await removeClearings(tx, part.map(mapTopic));
  }
  const byName = new Map((await findConnectorsByName(tx, names)).map((row) => [row.name, row]));
  return names.flatMap((name) => byName.get(name) ?? []);
}

/**
 * The first statement of whatever writes datapoints of a connector: its row's lock lets one at a time through, so that
 * what is read afterwards stays true until the commit. Ascending, so that two can never wait for each other.
 * @returns the ids that exist
 */
export async function lockConnectors(tx: Tx, ids: Iterable<number>): Promise<ReadonlySet<number>> {
  const locked = new Set<number>();
  const ascending = [...new Set(ids)].sort((a, b) => a - b);
  for (const id of ascending) {
    const { numUpdatedRows } = await tables(tx)
      .updateTable("connectors")
      .set({ last_changed: sql`last_changed` })
      .where("id", "=", id)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) locked.add(id);
  }
  return locked;
}

export async function renameConnector(tx: Tx, id: number, name: string, now: Millis): Promise<void> {
  await tables(tx).updateTable("connectors").set({ name, last_changed: now }).where("id", "=", id).execute();
}

/** With its log; its datapoints must be gone. */
export async function deleteConnector(tx: Tx, id: number): Promise<void> {
  await tables(tx).deleteFrom("connector_logs").where("connector_id", "=", id).execute();
  await tables(tx).deleteFrom("connectors").where("id", "=", id).execute();
}

export interface Heartbeat {
  readonly connectorId: number;
  readonly last: Millis;
  readonly next: Millis;
}

/** Connectors that are gone are no error. */
export async function updateHeartbeats(tx: Tx, heartbeats: readonly Heartbeat[]): Promise<void> {
  for (const { connectorId, last, next } of heartbeats) {
    await tables(tx)
      .updateTable("connectors")
      .set({ last_heartbeat: last, next_heartbeat: next })
      .where("id", "=", connectorId)
      .execute();
  }
}

export interface LogEntry {
  readonly connectorId: number;
  readonly timestamp: Millis;
  readonly level: number;
  readonly emitter: string | null;
  readonly msg: string;
}

/** Entries already there, or of connectors that are gone, are left out. */
export async function insertLogs(tx: Tx, entries: readonly LogEntry[]): Promise<void> {
  const present = await lockConnectors(
    tx,
    entries.map((entry) => entry.connectorId),
  );
  const rows = entries
    .filter((entry) => present.has(entry.connectorId))
    .map((entry) => ({
      connector_id: entry.connectorId,
      timestamp: entry.timestamp,
      level: entry.level,
      emitter: entry.emitter,
      msg: entry.msg,
      digest: digestOf(entry),
    }));
  for (const part of chunks(rows, rowsPerStatement)) {
    await tables(tx)
      .insertInto("connector_logs")
      .values(part)
      .onConflict((conflict) => conflict.columns(["connector_id", "timestamp", "digest"]).doNothing())
      .execute();
  }
}

const digestOf = ({ level, emitter, msg }: LogEntry): string =>
  createHash("sha256")
    .update(JSON.stringify([level, emitter, msg]))
    .digest("base64url")
    .slice(0, 22);

export interface StoredLogEntry extends LogEntry {
  readonly id: number;
}

export interface LogFilter {
  readonly connectorId: number;
  readonly level?: number;
  readonly minLevel?: number;
  readonly emitter?: string;
  readonly contains?: string;
  /** Only entries older than this one. */
  readonly before?: { readonly timestamp: Millis; readonly id: number };
  readonly limit: number;
}

/** Newest first. */
export async function listLogs(db: Queryable, filter: LogFilter): Promise<readonly StoredLogEntry[]> {
  const { before } = filter;
  let query = tables(db)
    .selectFrom("connector_logs")
    .select(["id", "timestamp", "level", "emitter", "msg"])
    .where("connector_id", "=", filter.connectorId)
    .orderBy("timestamp", "desc")
    .orderBy("id", "desc")
    .limit(filter.limit);
  if (filter.level !== undefined) query = query.where("level", "=", filter.level);
  if (filter.minLevel !== undefined) query = query.where("level", ">=", filter.minLevel);
  if (filter.emitter !== undefined) query = query.where("emitter", "=", filter.emitter);
  if (filter.contains !== undefined) query = query.where(containsText("msg", filter.contains));
  if (before) {
    query = query.where((eb) =>
      eb.or([
        eb("timestamp", "<", before.timestamp),
        eb.and([eb("timestamp", "=", before.timestamp), eb("id", "<", before.id)]),
      ]),
    );
  }
  const rows = await query.execute();
  return rows.map((row) => ({ ...row, connectorId: filter.connectorId }));
}

/** Case-insensitive; % and _ have no meaning of their own. */
export const containsText = (column: string, text: string) =>
  sql<boolean>`lower(${sql.ref(column)}) like lower(${`%${text.replace(/[\\%_]/g, "\\$&")}%`}) escape '\\'`;
