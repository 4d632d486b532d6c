import type { Generated } from "kysely";
import { type Bit, bit, fromBit, fromJsonText, jsonText } from "../../kernel/database/columns.ts";
import type { Queryable } from "../../kernel/database/engine.ts";
import type { Connector, DataFormat, Datapoint, DatapointType, NewDatapoint } from "./model.ts";

export type DatapointTables = {
  connectors: {
    id: Generated<number>;
    name: string;
    added: number;
    last_changed: number;
    last_heartbeat: number | null;
    next_heartbeat: number | null;
  };
  connector_logs: {
    id: Generated<number>;
    connector_id: number;
    timestamp: number;
    level: number;
    emitter: string | null;
    msg: string;
    digest: string;
  };
  datapoints: {
    id: Generated<number>;
    connector_id: number;
    key_in_connector: string;
    type: DatapointType;
    is_active: Bit;
    data_format: DataFormat;
    short_name: string | null;
    description: string;
    unit: string;
    allowed_values: string | null;
    min_value: number | null;
    max_value: number | null;
    example_value: string | null;
    value_stream: number | null;
    setpoint_stream: number | null;
    schedule_stream: number | null;
    command_stream: number | null;
  };
  controllers: { id: Generated<number>; name: string; topic: string };
  controlled_datapoints: {
    id: Generated<number>;
    controller_id: number;
    sensor_id: number;
    actuator_id: number;
    is_active: Bit;
    builtin: Bit;
  };
  retained_clearings: { topic: string; payload: string; since: number };
};

/** The tables of this feature, for its stores only. */
export const tables = (db: Queryable) => db.withTables<DatapointTables>();

export interface ConnectorRow {
  readonly id: number;
  readonly name: string;
  readonly added: number;
  readonly last_changed: number;
  readonly last_heartbeat: number | null;
  readonly next_heartbeat: number | null;
}

export const connectorOf = (row: ConnectorRow): Connector => ({
  id: row.id,
  name: row.name,
  added: row.added,
  lastChanged: row.last_changed,
  lastHeartbeat: row.last_heartbeat,
  nextHeartbeat: row.next_heartbeat,
});

export interface DatapointRow {
  readonly id: number;
  readonly connector_id: number;
  readonly connector: string;
  readonly key_in_connector: string;
  readonly type: DatapointType;
  readonly is_active: number;
  readonly data_format: DataFormat;
  readonly short_name: string | null;
  readonly description: string;
  readonly unit: string;
  readonly allowed_values: string | null;
  readonly min_value: number | null;
  readonly max_value: number | null;
  readonly example_value: string | null;
  readonly value_stream: number | null;
  readonly setpoint_stream: number | null;
  readonly schedule_stream: number | null;
  readonly command_stream: number | null;
}

const jsonOrNull = (text: string | null): unknown => (text === null ? null : fromJsonText(text));

export const datapointOf = (row: DatapointRow): Datapoint => ({
  id: row.id,
  connectorId: row.connector_id,
  connector: row.connector,
  key: row.key_in_connector,
  type: row.type,
  isActive: fromBit(row.is_active),
  dataFormat: row.data_format,
  shortName: row.short_name,
  description: row.description,
  unit: row.unit,
  allowedValues: jsonOrNull(row.allowed_values) as readonly unknown[] | null,
  minValue: row.min_value,
  maxValue: row.max_value,
  exampleValue: jsonOrNull(row.example_value),
  streams: streamsOf(row),
  commandStream: row.command_stream,
});

export const streamsOf = (
  row: Pick<DatapointRow, "value_stream" | "setpoint_stream" | "schedule_stream">,
): Datapoint["streams"] => ({
  value: row.value_stream,
  setpoint: row.setpoint_stream,
  schedule: row.schedule_stream,
});

/** Everything but id and streams. */
export const rowOf = (datapoint: NewDatapoint) => ({
  connector_id: datapoint.connectorId,
  key_in_connector: datapoint.key,
  type: datapoint.type,
  is_active: bit(datapoint.isActive),
  data_format: datapoint.dataFormat,
  short_name: datapoint.shortName,
  description: datapoint.description,
  unit: datapoint.unit,
  allowed_values: textOrNull(datapoint.allowedValues),
  min_value: datapoint.minValue,
  max_value: datapoint.maxValue,
  example_value: textOrNull(datapoint.exampleValue),
});

/** Null stays null, so that a condition can ask for it. */
export const textOrNull = (value: unknown): string | null => (value === null ? null : jsonText(value));

/** Parameters of one statement stay below the limits of both engines. */
export function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
