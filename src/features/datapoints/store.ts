import { sql } from "kysely";
import { bit } from "../../kernel/database/columns.ts";
import type { Queryable, Tx } from "../../kernel/database/engine.ts";
import { notFound } from "../../kernel/errors.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { containsText } from "./connector-store.ts";
import {
  type Datapoint,
  type MappedDatapoint,
  type MessageKind,
  type NewDatapoint,
  noStreams,
} from "./model.ts";
import { chunks, datapointOf, rowOf, streamsOf, tables } from "./tables.ts";

const idsPerStatement = 1000;
const rowsPerStatement = 500;
/** Written out: the index of what is active serves no parameter. */
const active = sql<1>`1`;

/** Conditions on datapoints, all of which must hold. Names of columns as in the table; `connector` is the name. */
export interface DatapointFilter {
  readonly isActive?: boolean;
  readonly ids?: readonly number[];
  readonly equal: readonly (readonly [FilterColumn, string])[];
  readonly contains: readonly (readonly [FilterColumn, string])[];
  readonly after?: number;
  readonly limit?: number;
}

export type FilterColumn =
  | "connector"
  | "key_in_connector"
  | "short_name"
  | "description"
  | "type"
  | "data_format"
  | "unit";

const columnName = (column: FilterColumn): string =>
  column === "connector" ? "connectors.name" : `datapoints.${column}`;

const selectDatapoints = (db: Queryable) =>
  tables(db)
    .selectFrom("datapoints")
    .innerJoin("connectors", "connectors.id", "datapoints.connector_id")
    .selectAll("datapoints")
    .select("connectors.name as connector");

/** By id, ascending. */
export async function listDatapoints(db: Queryable, filter: DatapointFilter): Promise<readonly Datapoint[]> {
  let query = selectDatapoints(db).orderBy("datapoints.id");
  if (filter.isActive !== undefined) query = query.where("is_active", "=", bit(filter.isActive));
  if (filter.ids !== undefined) {
    if (filter.ids.length === 0) return [];
    query = query.where("datapoints.id", "in", filter.ids);
  }
  for (const [column, text] of filter.equal) query = query.where(sql.ref(columnName(column)), "=", text);
  for (const [column, text] of filter.contains) query = query.where(containsText(columnName(column), text));
  if (filter.after !== undefined) query = query.where("datapoints.id", ">", filter.after);
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  return (await query.execute()).map(datapointOf);
}

/** Those of the ids that exist, ascending. */
export async function listDatapointsById(
  db: Queryable,
  ids: readonly number[],
): Promise<readonly Datapoint[]> {
  const found: Datapoint[] = [];
  const ascending = [...new Set(ids)].sort((a, b) => a - b);
  for (const part of chunks(ascending, idsPerStatement))
    found.push(...(await listDatapoints(db, { ids: part, equal: [], contains: [] })));
  return found;
}

export async function findDatapoint(db: Queryable, id: number): Promise<Datapoint | undefined> {
  const row = await selectDatapoints(db).where("datapoints.id", "=", id).executeTakeFirst();
  return row && datapointOf(row);
}

export async function getDatapoint(db: Queryable, id: number): Promise<Datapoint> {
  const found = await findDatapoint(db, id);
  if (!found) throw notFound("datapoint", id);
  return found;
}

/** Those of the connector with one of the keys, or all. */
export async function listByKey(
  db: Queryable,
  connectorId: number,
  keys?: readonly string[],
): Promise<readonly Datapoint[]> {
  const query = selectDatapoints(db).where("connector_id", "=", connectorId).orderBy("datapoints.id");
  if (keys === undefined) return (await query.execute()).map(datapointOf);
  const found: Datapoint[] = [];
  for (const part of chunks([...new Set(keys)], idsPerStatement)) {
    const rows = await query.where("key_in_connector", "in", part).execute();
    found.push(...rows.map(datapointOf));
  }
  return found;
}

export async function shortNameHolders(
  db: Queryable,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const holders = new Map<string, number>();
  for (const part of chunks(names, idsPerStatement)) {
    const rows = await tables(db)
      .selectFrom("datapoints")
      .select(["id", "short_name"])
      .where("short_name", "in", part)
      .execute();
    for (const row of rows) if (row.short_name !== null) holders.set(row.short_name, row.id);
  }
  return holders;
}

/** In the order given. Identities that exist already are left out, so that two announcements may cross. */
export async function insertDatapoints(
  tx: Tx,
  datapoints: readonly NewDatapoint[],
): Promise<readonly Datapoint[]> {
  const ids = new Map<string, number>();
  const identity = (connectorId: number, key: string, type: string) => `${connectorId} ${type} ${key}`;
  for (const part of chunks(datapoints, rowsPerStatement)) {
    const rows = await tables(tx)
      .insertInto("datapoints")
      .values(part.map(rowOf))
      .onConflict((conflict) => conflict.columns(["connector_id", "key_in_connector", "type"]).doNothing())
      .returning(["id", "connector_id", "key_in_connector", "type"])
      .execute();
    for (const row of rows) ids.set(identity(row.connector_id, row.key_in_connector, row.type), row.id);
  }
  return datapoints.flatMap((datapoint) => {
    const id = ids.get(identity(datapoint.connectorId, datapoint.key, datapoint.type));
    return id === undefined ? [] : [{ ...datapoint, id, streams: noStreams, commandStream: null }];
  });
}

export async function setActive(tx: Tx, ids: readonly number[], isActive: boolean): Promise<void> {
  for (const part of chunks(ids, idsPerStatement)) {
    await tables(tx)
      .updateTable("datapoints")
      .set({ is_active: bit(isActive) })
      .where("id", "in", part)
      .execute();
  }
}

export async function deleteDatapoints(tx: Tx, ids: readonly number[]): Promise<void> {
  for (const part of chunks(ids, idsPerStatement))
    await tables(tx).deleteFrom("datapoints").where("id", "in", part).execute();
}

/** Active actuators that have no stream of setpoints or of schedules. */
export async function listWithoutControl(db: Queryable): Promise<readonly Datapoint[]> {
  const rows = await selectDatapoints(db)
    .where("is_active", "=", active)
    .where("type", "=", "actuator")
    .where((eb) => eb.or([eb("setpoint_stream", "is", null), eb("schedule_stream", "is", null)]))
    .orderBy("datapoints.id")
    .execute();
  return rows.map(datapointOf);
}

export interface RoutedDatapoint extends MappedDatapoint {
  readonly streams: Datapoint["streams"];
}

export const routedQuery = (db: Queryable, connectorId: number) =>
  tables(db)
    .selectFrom("datapoints")
    .select(["id", "key_in_connector as key", "type", "value_stream", "setpoint_stream", "schedule_stream"])
    .where("connector_id", "=", connectorId)
    .where("is_active", "=", active)
    .orderBy("id");

export const activeStreamsQuery = (db: Queryable, kind: MessageKind) =>
  tables(db)
    .selectFrom("datapoints")
    .select(["id", `${kind}_stream as stream`])
    .where("is_active", "=", active)
    .where(`${kind}_stream`, "is not", null)
    .orderBy("id");

/** What ingest and map need to know: the connector's active datapoints by id. */
export async function listRouted(db: Queryable, connectorId: number): Promise<readonly RoutedDatapoint[]> {
  const rows = await routedQuery(db, connectorId).execute();
  return rows.map((row) => ({ id: row.id, key: row.key, type: row.type, streams: streamsOf(row) }));
}

/** Active datapoints that have a stream of the kind, by id. */
export async function listActiveStreams(
  db: Queryable,
  kind: MessageKind,
  ids?: readonly number[],
): Promise<readonly { readonly id: number; readonly stream: StreamId }[]> {
  if (ids?.length === 0) return [];
  let query = activeStreamsQuery(db, kind);
  if (ids !== undefined) query = query.where("id", "in", ids);
  const rows = await query.execute();
  return rows.flatMap(({ id, stream }) => (stream === null ? [] : [{ id, stream }]));
}

/** The connector's name by the datapoint's id, of those that exist. */
export async function connectorNamesOf(
  db: Queryable,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>();
  for (const part of chunks(ids, idsPerStatement)) {
    const rows = await tables(db)
      .selectFrom("datapoints")
      .innerJoin("connectors", "connectors.id", "datapoints.connector_id")
      .select(["datapoints.id", "connectors.name"])
      .where("datapoints.id", "in", part)
      .execute();
    for (const { id, name } of rows) names.set(id, name);
  }
  return names;
}

export interface DatapointCounts {
  readonly available: number;
  readonly active: number;
}

export async function countDatapoints(
  db: Queryable,
  connectorId?: number,
): Promise<ReadonlyMap<number, DatapointCounts>> {
  let query = tables(db)
    .selectFrom("datapoints")
    .select((eb) => [
      "connector_id",
      eb.fn.countAll<number>().as("available"),
      eb.fn.sum<number>("is_active").as("active"),
    ])
    .groupBy("connector_id");
  if (connectorId !== undefined) query = query.where("connector_id", "=", connectorId);
  const rows = await query.execute();
  // sum() of integers is `numeric` on PostgreSQL, which arrives as text.
  return new Map(
    rows.map((row) => [row.connector_id, { available: Number(row.available), active: Number(row.active) }]),
  );
}
