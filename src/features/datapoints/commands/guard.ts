import type { Millis } from "../../../kernel/time.ts";
import type { PointValue } from "../../../kernel/timeseries/types.ts";
import type { MessageKind } from "../model.ts";
import type { Feedback } from "./model.ts";

/** The guard rails of one actuator. */
export interface Guard {
  readonly datapoint: number;
  readonly min: number | null;
  readonly max: number | null;
  /** Units per second. */
  readonly maxRate: number | null;
  /** Between two writes of the same kind. */
  readonly minInterval: Millis | null;
  readonly feedback: Feedback | null;
  readonly expiry: Expiry | null;
}

export interface Expiry {
  /** Since the newest value was taken by the broker. */
  readonly after: Millis;
  readonly value: PointValue;
}

/** What was written before: by a command, or seen on the actuator's topic. */
export interface Written {
  readonly at: Millis;
  readonly value: PointValue;
}

export interface Refusal {
  readonly rule: "min" | "max" | "max_rate" | "min_interval";
  /** Names value and limit. */
  readonly detail: string;
  /** After so many milliseconds the same write would pass. */
  readonly retryAfter?: Millis;
}

/** The limit that a value, or any value within a setpoint or schedule, breaks. */
export function limitRefusal(guard: Guard, numbers: readonly number[]): Refusal | undefined {
  for (const value of numbers) {
    if (guard.min !== null && value < guard.min)
      return {
        rule: "min",
        detail: `Value ${value} is less than ${guard.min}, the guard rail's minimum.`,
      };
    if (guard.max !== null && value > guard.max)
      return {
        rule: "max",
        detail: `Value ${value} is greater than ${guard.max}, the guard rail's maximum.`,
      };
  }
  return undefined;
}

/** @param last when the same kind of message was written last, by whomever */
export function intervalRefusal(guard: Guard, last: Millis, now: Millis): Refusal | undefined {
  if (guard.minInterval === null) return undefined;
  // A clock that was set back must not open the gate.
  const elapsed = Math.max(0, now - last);
  if (elapsed >= guard.minInterval) return undefined;
  const seconds = guard.minInterval / 1000;
  return {
    rule: "min_interval",
    detail: `The last write was ${elapsed / 1000} s ago; the guard rail asks for ${seconds} s between two.`,
    retryAfter: guard.minInterval - elapsed,
  };
}

/** Numbers only: a change from or to anything else has no rate. */
export function rateRefusal(
  guard: Guard,
  before: Written,
  value: PointValue,
  now: Millis,
): Refusal | undefined {
  if (guard.maxRate === null || typeof value !== "number" || typeof before.value !== "number")
    return undefined;
  const elapsed = Math.max(0, now - before.at);
  const change = Math.abs(value - before.value);
  if (change <= (guard.maxRate * elapsed) / 1000) return undefined;
  return {
    rule: "max_rate",
    detail:
      `Value ${value} is ${change} away from ${before.value}, written ${elapsed / 1000} s ago; ` +
      `the guard rail allows ${guard.maxRate} per second.`,
    retryAfter: Math.ceil((change / guard.maxRate) * 1000) - elapsed,
  };
}

/** Everything numeric that a message asks the actuator for. */
export function numbersIn(kind: MessageKind, payload: string): readonly number[] {
  const content: unknown = (JSON.parse(payload) as Readonly<Record<string, unknown>>)[kind];
  const member = kind === "value" ? undefined : itemMembers[kind];
  const values = member === undefined ? [content] : itemsOf(content).map((item) => item[member]);
  return values.filter((value): value is number => typeof value === "number");
}

const itemMembers: Readonly<Record<string, string>> = { setpoint: "preferred_value", schedule: "value" };

const itemsOf = (content: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(content) ? content : [];
