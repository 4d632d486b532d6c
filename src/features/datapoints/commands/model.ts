import { isDeepStrictEqual } from "node:util";
import type { Actor } from "../../../kernel/changes/changes.ts";
import type { Micros, Millis } from "../../../kernel/time.ts";
import type { Point, PointValue } from "../../../kernel/timeseries/types.ts";
import type { MessageKind } from "../model.ts";
import { nativeOfPoint } from "../values.ts";

/** The life of whatever is written to an actuator: docs/decisions/0020-commands.md. */

export const openStates = ["accepted", "published", "taken"] as const;
export const finalStates = [
  /** The broker has it, and there is nothing to read it back from. */
  "delivered",
  /** Read back within the tolerance, before the deadline. */
  "confirmed",
  /** Something else was read back until the deadline. */
  "diverged",
  /** Nothing was read back until the deadline. */
  "expired",
  /** The broker is not known to have it. */
  "failed",
  /** A guard rail was in the way: it never reached the broker. */
  "refused",
  /** The broker took a newer one for the same datapoint before this one was confirmed. */
  "superseded",
] as const;
export const commandStates = [...openStates, ...finalStates] as const;

export type OpenState = (typeof openStates)[number];
export type FinalState = (typeof finalStates)[number];
export type CommandState = OpenState | FinalState;

/** Where each state may lead. The stores' conditions on `state` say the same. */
export const transitions: Readonly<Record<CommandState, readonly CommandState[]>> = {
  accepted: ["published", "taken", "delivered", "failed"],
  published: ["taken", "delivered", "failed"],
  taken: ["confirmed", "diverged", "expired", "superseded"],
  delivered: [],
  confirmed: [],
  diverged: [],
  expired: [],
  failed: [],
  refused: [],
  superseded: [],
};

export const isFinal = (state: CommandState): state is FinalState => transitions[state].length === 0;

/** From where, how exactly and how soon a value must be read back. */
export interface Feedback {
  /** Id of a datapoint; may be the actuator itself. */
  readonly datapoint: number;
  /** Greatest difference of numbers; anything else must be equal. */
  readonly tolerance: number;
  /** From the moment the broker took the command. */
  readonly within: Millis;
}

/** What was read back. */
export interface ReadBack {
  readonly value: PointValue;
  readonly time: Micros;
}

export interface Command {
  readonly id: number;
  readonly datapoint: number;
  readonly connectorId: number;
  readonly kind: MessageKind;
  /** JSON text of the message, as it goes out. */
  readonly payload: string;
  /** The message's own time. */
  readonly timestamp: Millis;
  readonly state: CommandState;
  readonly reason: string | null;
  readonly actor: Actor;
  /** Sent because nothing newer came in time: see the guard's expiry. */
  readonly isSafeValue: boolean;
  readonly acceptedAt: Millis;
  readonly publishedAt: Millis | null;
  readonly takenAt: Millis | null;
  readonly finishedAt: Millis | null;
  /** Until when it must be read back; known once the broker has it. */
  readonly deadline: Millis | null;
  readonly feedback: Feedback | null;
  readonly readBack: ReadBack | null;
  /** Id of the newer command. */
  readonly supersededBy: number | null;
}

/** What somebody wants to be sent. */
export interface Order {
  readonly datapoint: { readonly id: number; readonly connectorId: number; readonly connector: string };
  readonly kind: MessageKind;
  readonly point: Point;
  readonly payload: string;
  readonly actor: Actor;
}

/** Clocks of connectors may be so much behind ours: what arrives after a command was sent may bear an earlier time. */
export const clockSlack: Millis = 1000;

export function matches(feedback: Feedback, wanted: PointValue, seen: PointValue): boolean {
  if (typeof wanted === "number" && typeof seen === "number")
    return Math.abs(seen - wanted) <= feedback.tolerance;
  return isDeepStrictEqual(nativeOfPoint(wanted), nativeOfPoint(seen));
}

/** The value that was commanded, as a point holds it. */
export function commandedValue(command: Pick<Command, "payload">): PointValue {
  const { value } = JSON.parse(command.payload) as { value: unknown };
  return typeof value === "number" ? value : JSON.stringify(value ?? null);
}
