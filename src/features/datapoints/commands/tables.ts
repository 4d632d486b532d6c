import type { Generated, Selectable } from "kysely";
import { type Bit, bit, fromBit } from "../../../kernel/database/columns.ts";
import type { Queryable } from "../../../kernel/database/engine.ts";
import type { PointValue } from "../../../kernel/timeseries/types.ts";
import type { MessageKind } from "../model.ts";
import { textOfPoint } from "../values.ts";
import type { Guard } from "./guard.ts";
import type { Command, CommandState, Feedback } from "./model.ts";

interface CommandsTable {
  id: Generated<number>;
  datapoint_id: number;
  connector_id: number;
  kind: MessageKind;
  payload: string;
  timestamp: number;
  state: CommandState;
  reason: string | null;
  principal_id: number | null;
  actor_name: string;
  via: string;
  address: string | null;
  request_id: string | null;
  is_safe_value: Bit;
  written: Bit;
  accepted_at: number;
  published_at: number | null;
  taken_at: number | null;
  finished_at: number | null;
  deadline: number | null;
  feedback_id: number | null;
  tolerance: number | null;
  within: number | null;
  read_value: string | null;
  read_time: number | null;
  superseded_by: number | null;
  due: number | null;
}

interface GuardsTable {
  datapoint_id: number;
  min: number | null;
  max: number | null;
  max_rate: number | null;
  min_interval: number | null;
  feedback_id: number | null;
  tolerance: number | null;
  within: number | null;
  expiry: number | null;
  safe_value: string | null;
  safe_due: number | null;
  armed_by: number | null;
}

/** The tables of commands and guard rails, for their stores only. */
export const tables = (db: Queryable) =>
  db.withTables<{
    commands: CommandsTable;
    datapoint_guards: GuardsTable;
    connectors: { id: number; name: string };
  }>();

export type CommandRow = Selectable<CommandsTable>;
export type GuardRow = Selectable<GuardsTable>;

export const commandOf = (row: CommandRow): Command => ({
  id: row.id,
  datapoint: row.datapoint_id,
  connectorId: row.connector_id,
  kind: row.kind,
  payload: row.payload,
  timestamp: row.timestamp,
  state: row.state,
  reason: row.reason,
  actor: {
    principalId: row.principal_id,
    name: row.actor_name,
    via: row.via,
    address: row.address,
    requestId: row.request_id,
  },
  isSafeValue: fromBit(row.is_safe_value),
  acceptedAt: row.accepted_at,
  publishedAt: row.published_at,
  takenAt: row.taken_at,
  finishedAt: row.finished_at,
  deadline: row.deadline,
  feedback: feedbackOf(row),
  readBack:
    row.read_value === null || row.read_time === null
      ? null
      : { value: pointValue(row.read_value), time: row.read_time },
  supersededBy: row.superseded_by,
});

const feedbackOf = (row: {
  readonly feedback_id: number | null;
  readonly tolerance: number | null;
  readonly within: number | null;
}): Feedback | null =>
  row.feedback_id === null
    ? null
    : { datapoint: row.feedback_id, tolerance: row.tolerance ?? 0, within: row.within ?? 0 };

/** From JSON text to what a point holds. */
const pointValue = (text: string): PointValue => {
  const value: unknown = JSON.parse(text);
  return typeof value === "number" ? value : text;
};

/** Everything but the id. */
export const rowOf = (command: Omit<Command, "id">): Omit<CommandRow, "id" | "due"> => ({
  datapoint_id: command.datapoint,
  connector_id: command.connectorId,
  kind: command.kind,
  payload: command.payload,
  timestamp: command.timestamp,
  state: command.state,
  reason: command.reason,
  principal_id: command.actor.principalId,
  actor_name: command.actor.name,
  via: command.actor.via,
  address: command.actor.address,
  request_id: command.actor.requestId,
  is_safe_value: bit(command.isSafeValue),
  written: bit(command.state !== "refused"),
  accepted_at: command.acceptedAt,
  published_at: command.publishedAt,
  taken_at: command.takenAt,
  finished_at: command.finishedAt,
  deadline: command.deadline,
  feedback_id: command.feedback?.datapoint ?? null,
  tolerance: command.feedback?.tolerance ?? null,
  within: command.feedback?.within ?? null,
  read_value: command.readBack ? textOfPoint(command.readBack.value) : null,
  read_time: command.readBack?.time ?? null,
  superseded_by: command.supersededBy,
});

export const guardOf = (row: GuardRow): Guard => ({
  datapoint: row.datapoint_id,
  min: row.min,
  max: row.max,
  maxRate: row.max_rate,
  minInterval: row.min_interval,
  feedback: feedbackOf(row),
  expiry:
    row.expiry === null || row.safe_value === null
      ? null
      : { after: row.expiry, value: pointValue(row.safe_value) },
});

export const guardRowOf = (guard: Guard): Omit<GuardRow, "safe_due" | "armed_by"> => ({
  datapoint_id: guard.datapoint,
  min: guard.min,
  max: guard.max,
  max_rate: guard.maxRate,
  min_interval: guard.minInterval,
  feedback_id: guard.feedback?.datapoint ?? null,
  tolerance: guard.feedback?.tolerance ?? null,
  within: guard.feedback?.within ?? null,
  expiry: guard.expiry?.after ?? null,
  safe_value: guard.expiry ? textOfPoint(guard.expiry.value) : null,
});
