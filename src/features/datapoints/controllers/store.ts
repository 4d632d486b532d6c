import { bit, fromBit } from "../../../kernel/database/columns.ts";
import type { Queryable, Tx } from "../../../kernel/database/engine.ts";
import { notFound } from "../../../kernel/errors.ts";
import type { StreamId } from "../../../kernel/timeseries/types.ts";
import { containsText } from "../connector-store.ts";
import { chunks, tables } from "../tables.ts";
import type { ControlledDatapoint, Controller, ListedPair } from "./model.ts";

const idsPerStatement = 1000;

export interface ControllerFilter {
  readonly name?: string;
  readonly nameContains?: string;
  readonly topic?: string;
  readonly after?: number;
  readonly limit?: number;
}

/** By id, ascending. */
export async function listControllers(
  db: Queryable,
  filter: ControllerFilter = {},
): Promise<readonly Controller[]> {
  let query = tables(db).selectFrom("controllers").selectAll().orderBy("id");
  if (filter.name !== undefined) query = query.where("name", "=", filter.name);
  if (filter.nameContains !== undefined) query = query.where(containsText("name", filter.nameContains));
  if (filter.topic !== undefined) query = query.where("topic", "=", filter.topic);
  if (filter.after !== undefined) query = query.where("id", ">", filter.after);
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  return query.execute();
}

export async function findController(db: Queryable, id: number): Promise<Controller | undefined> {
  return tables(db).selectFrom("controllers").selectAll().where("id", "=", id).executeTakeFirst();
}

export async function getController(db: Queryable, id: number): Promise<Controller> {
  const found = await findController(db, id);
  if (!found) throw notFound("controller", id);
  return found;
}

export async function insertController(tx: Tx, controller: Omit<Controller, "id">): Promise<Controller> {
  return tables(tx).insertInto("controllers").values(controller).returningAll().executeTakeFirstOrThrow();
}

export async function updateController(tx: Tx, { id, name, topic }: Controller): Promise<void> {
  await tables(tx).updateTable("controllers").set({ name, topic }).where("id", "=", id).execute();
}

/** Its pairs must be gone. */
export async function deleteController(tx: Tx, id: number): Promise<void> {
  await tables(tx).deleteFrom("controllers").where("id", "=", id).execute();
}

/** One at a time writes a controller and its pairs. @returns whether it exists */
export async function lockController(tx: Tx, id: number): Promise<boolean> {
  const { numUpdatedRows } = await tables(tx)
    .updateTable("controllers")
    .set((eb) => ({ name: eb.ref("name") }))
    .where("id", "=", id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

interface PairRow {
  readonly id: number;
  readonly controller_id: number;
  readonly sensor_id: number;
  readonly actuator_id: number;
  readonly is_active: number;
  readonly builtin: number;
}

const pairOf = (row: PairRow): ControlledDatapoint => ({
  id: row.id,
  controllerId: row.controller_id,
  sensorId: row.sensor_id,
  actuatorId: row.actuator_id,
  isActive: fromBit(row.is_active),
  builtin: fromBit(row.builtin),
});

const pairRowOf = (pair: Omit<ControlledDatapoint, "id">) => ({
  controller_id: pair.controllerId,
  sensor_id: pair.sensorId,
  actuator_id: pair.actuatorId,
  is_active: bit(pair.isActive),
  builtin: bit(pair.builtin),
});

export interface PairFilter {
  readonly controllerId?: number;
  readonly sensorId?: number;
  readonly actuatorId?: number;
  readonly isActive?: boolean;
  readonly builtin?: boolean;
  readonly after?: number;
  readonly limit?: number;
}

/** By id, ascending. */
export async function listPairs(
  db: Queryable,
  filter: PairFilter = {},
): Promise<readonly ControlledDatapoint[]> {
  let query = tables(db).selectFrom("controlled_datapoints").selectAll().orderBy("id");
  if (filter.controllerId !== undefined) query = query.where("controller_id", "=", filter.controllerId);
  if (filter.sensorId !== undefined) query = query.where("sensor_id", "=", filter.sensorId);
  if (filter.actuatorId !== undefined) query = query.where("actuator_id", "=", filter.actuatorId);
  if (filter.isActive !== undefined) query = query.where("is_active", "=", bit(filter.isActive));
  if (filter.builtin !== undefined) query = query.where("builtin", "=", bit(filter.builtin));
  if (filter.after !== undefined) query = query.where("id", ">", filter.after);
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  return (await query.execute()).map(pairOf);
}

export async function getPair(db: Queryable, id: number): Promise<ControlledDatapoint> {
  const row = await tables(db)
    .selectFrom("controlled_datapoints")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (!row) throw notFound("controlled datapoint", id);
  return pairOf(row);
}

export async function insertPair(
  tx: Tx,
  pair: Omit<ControlledDatapoint, "id">,
): Promise<ControlledDatapoint> {
  const row = await tables(tx)
    .insertInto("controlled_datapoints")
    .values(pairRowOf(pair))
    .returningAll()
    .executeTakeFirstOrThrow();
  return pairOf(row);
}

export async function updatePair(tx: Tx, pair: ControlledDatapoint): Promise<void> {
  await tables(tx)
    .updateTable("controlled_datapoints")
    .set(pairRowOf(pair))
    .where("id", "=", pair.id)
    .execute();
}

export async function deletePairs(tx: Tx, ids: readonly number[]): Promise<void> {
  for (const part of chunks(ids, idsPerStatement))
    await tables(tx).deleteFrom("controlled_datapoints").where("id", "in", part).execute();
}

/** Those that one of the datapoints is part of, by id. */
export async function listPairsOfDatapoints(
  db: Queryable,
  datapoints: readonly number[],
): Promise<readonly ControlledDatapoint[]> {
  const found = new Map<number, ControlledDatapoint>();
  for (const part of chunks(datapoints, idsPerStatement)) {
    const rows = await tables(db)
      .selectFrom("controlled_datapoints")
      .selectAll()
      .where((eb) => eb.or([eb("sensor_id", "in", part), eb("actuator_id", "in", part)]))
      .orderBy("id")
      .execute();
    for (const row of rows) found.set(row.id, pairOf(row));
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

export interface ActivePair extends ControlledDatapoint, ListedPair {
  /** Values of sensor and actuator, setpoints and schedules of the latter. */
  readonly streams: Readonly<Record<"sensor" | "actuator" | "setpoint" | "schedule", StreamId | null>>;
}

/** The pairs in force, by id: active ones of an active sensor and an active actuator. */
export async function listActivePairs(db: Queryable): Promise<readonly ActivePair[]> {
  const rows = await tables(db)
    .selectFrom("controlled_datapoints as pairs")
    .innerJoin("datapoints as sensors", "sensors.id", "pairs.sensor_id")
    .innerJoin("connectors as sensed", "sensed.id", "sensors.connector_id")
    .innerJoin("datapoints as actuators", "actuators.id", "pairs.actuator_id")
    .innerJoin("connectors as acting", "acting.id", "actuators.connector_id")
    .selectAll("pairs")
    .select(["sensed.name as sensor_connector", "acting.name as actuator_connector"])
    .select(["sensors.value_stream as sensor_stream", "actuators.value_stream as actuator_stream"])
    .select(["actuators.setpoint_stream", "actuators.schedule_stream"])
    .where("pairs.is_active", "=", 1)
    .where("sensors.is_active", "=", 1)
    .where("sensors.type", "=", "sensor")
    .where("actuators.is_active", "=", 1)
    .where("actuators.type", "=", "actuator")
    .orderBy("pairs.id")
    .execute();
  return rows.map((row) => ({
    ...pairOf(row),
    sensor: { id: row.sensor_id, connector: row.sensor_connector },
    actuator: { id: row.actuator_id, connector: row.actuator_connector },
    streams: {
      sensor: row.sensor_stream,
      actuator: row.actuator_stream,
      setpoint: row.setpoint_stream,
      schedule: row.schedule_stream,
    },
  }));
}
