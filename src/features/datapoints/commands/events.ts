import { serverActor } from "../../../kernel/changes/actor.ts";
import type { Change, RecordedChange } from "../../../kernel/changes/changes.ts";
import type { PointValue } from "../../../kernel/timeseries/types.ts";
import { type Command, type CommandState, commandedValue, type Feedback } from "./model.ts";

/** Steps of commands as all nodes learn them, from the log of changes. */

export const commandResource = "command";

/** What a change of resource `command` holds as `after`; `before` is null or `{state}`. */
export interface CommandEvent {
  readonly id: number;
  readonly datapoint: number;
  readonly kind: Command["kind"];
  readonly state: CommandState;
  readonly reason: string | null;
  readonly timestamp: number;
  readonly accepted_at: number;
  readonly finished_at: number | null;
  /** With the first step only. */
  readonly message?: unknown;
  readonly feedback?: Feedback | null;
}

const eventOf = (command: Command): CommandEvent => ({
  id: command.id,
  datapoint: command.datapoint,
  kind: command.kind,
  state: command.state,
  reason: command.reason,
  timestamp: command.timestamp,
  accepted_at: command.acceptedAt,
  finished_at: command.finishedAt,
});

/** Accepted or refused. */
export const firstStep = (command: Command): Change => ({
  actor: command.actor,
  action: "create",
  resource: commandResource,
  object: String(command.id),
  before: null,
  after: {
    ...eventOf(command),
    message: JSON.parse(command.payload) as unknown,
    feedback: command.feedback,
  },
});

export const laterStep = (command: Command): Change => ({
  actor: serverActor(),
  action: "update",
  resource: commandResource,
  object: String(command.id),
  before: null,
  after: eventOf(command),
});

/** A message went out: who sent what to the datapoint. */
export const sentMessage = (command: Command): Change => ({
  actor: command.actor,
  action: "create",
  resource: `datapoint${command.kind}`,
  object: String(command.datapoint),
  before: null,
  after: JSON.parse(command.payload) as unknown,
});

export const readEvent = (change: RecordedChange): CommandEvent | undefined =>
  change.resource === commandResource && change.after !== null ? (change.after as CommandEvent) : undefined;

/** The commanded value of a first step. */
export const eventValue = ({ message }: CommandEvent): PointValue =>
  commandedValue({ payload: JSON.stringify(message) });
