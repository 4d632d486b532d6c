import { isUtf8 } from "node:buffer";
import type { Micros, Millis } from "../../kernel/time.ts";
import type { PointValue } from "../../kernel/timeseries/types.ts";
import type { MalformedReason } from "./figures.ts";
import { InexactNumber, parseDeviceJson } from "./json-text.ts";
import { type DatapointType, datapointTypes, type MessageKind, maxMillis, nameFault } from "./model.ts";
import { shorten } from "./texts.ts";
import { maxValueChars, pointOf, sizeFault } from "./values.ts";

/** What connectors publish, read strictly enough that nothing in it can hurt later. */

export class Malformed extends Error {
  override readonly name = "Malformed";
  readonly reason: MalformedReason;

  constructor(reason: MalformedReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** @throws Malformed */
export function readObject(payload: Uint8Array): JsonObject {
  if (!isUtf8(payload)) throw new Malformed("utf8", "The payload is not valid UTF-8.");
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Malformed("shape", `A JSON object is expected, not ${shorten(text.slice(0, 80))}.`);
  return value as JsonObject;
}

function parse(text: string): unknown {
  try {
    return parseDeviceJson(text);
  } catch (error) {
    if (error instanceof InexactNumber) throw new Malformed("number", error.message);
    throw new Malformed("json", `${shorten(text.slice(0, 80))} is not JSON.`);
  }
}

/** A value of the greatest size, and what stands around it. */
const maxPayloadBytes = 4 * maxValueChars;

export interface ReceivedPoint {
  readonly time: Micros;
  readonly value: PointValue;
}

/** @throws Malformed */
export function readMessage(payload: Uint8Array, kind: MessageKind): ReceivedPoint {
  if (payload.byteLength > maxPayloadBytes)
    throw new Malformed("size", `${payload.byteLength} bytes are more than ${maxPayloadBytes}.`);
  const message = readObject(payload);
  const time = Math.round(readInstant(message, "timestamp") * 1000);
  const value = message[kind];
  if (value === undefined) throw new Malformed("shape", `The member ${kind} is missing.`);
  if (kind !== "value") checkItems(kind, value);
  return { time, value: typeof value === "number" ? value : checked(value) };
}

/** The list's values are not looked at: what a connector or controller publishes has happened. */
function checkItems(kind: MessageKind, value: unknown): void {
  if (value === null && kind === "setpoint") return;
  const isItem = (item: unknown) => typeof item === "object" && item !== null && !Array.isArray(item);
  if (Array.isArray(value) && value.every(isItem)) return;
  throw new Malformed("shape", `The member ${kind} is ${shorten(value)}, not a list of objects.`);
}

function checked(value: unknown): PointValue {
  const fault = sizeFault(value);
  if (fault !== undefined) throw new Malformed("size", fault);
  return pointOf(value);
}

function readInstant(message: JsonObject, member: string): Millis {
  const instant = message[member];
  if (typeof instant === "number" && Math.abs(instant) <= maxMillis) return instant;
  const fault = instant === undefined ? "is missing" : `is ${shorten(instant)}`;
  throw new Malformed("timestamp", `The member ${member} ${fault}; milliseconds since 1970 are expected.`);
}

export interface ReceivedLog {
  readonly timestamp: Millis;
  readonly level: number;
  readonly emitter: string | null;
  readonly msg: string;
}

/** @throws Malformed */
export function readLog(payload: Uint8Array): ReceivedLog {
  const message = readObject(payload);
  const timestamp = Math.round(readInstant(message, "timestamp"));
  const { msg, level, emitter = null } = message;
  if (typeof msg !== "string") throw new Malformed("shape", `The member msg is ${shorten(msg)}, not a text.`);
  if (typeof level !== "number" || !Number.isInteger(level) || Math.abs(level) > 1_000_000)
    throw new Malformed("shape", `The member level is ${shorten(level)}, not an integer.`);
  if (emitter !== null && typeof emitter !== "string")
    throw new Malformed("shape", `The member emitter is ${shorten(emitter)}, neither a text nor null.`);
  return { timestamp, level, emitter: emitter === null ? null : storable(emitter), msg: storable(msg) };
}

/** A log line is worth keeping even where it holds what no database takes. */
const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd");

export interface ReceivedHeartbeat {
  readonly last: Millis;
  readonly next: Millis;
}

/** @throws Malformed */
export function readHeartbeat(payload: Uint8Array): ReceivedHeartbeat {
  const message = readObject(payload);
  return {
    last: Math.round(readInstant(message, "this_heartbeats_timestamp")),
    next: Math.round(readInstant(message, "next_heartbeats_timestamp")),
  };
}

export interface Announced {
  readonly type: DatapointType;
  readonly key: string;
  readonly example: unknown;
}

export interface Announcement {
  readonly datapoints: readonly Announced[];
  /** Parts that were left out. */
  readonly faults: readonly Malformed[];
}

/** @throws Malformed when nothing in it can be used */
export function readAnnouncement(payload: Uint8Array): Announcement {
  const message = readObject(payload);
  const datapoints: Announced[] = [];
  const faults: Malformed[] = [];
  for (const [name, part] of Object.entries(message)) {
    const type = datapointTypes.find((known) => known === name);
    if (type === undefined)
      faults.push(new Malformed("member", `${shorten(name)} is neither sensor nor actuator.`));
    else if (typeof part !== "object" || part === null || Array.isArray(part))
      faults.push(new Malformed("shape", `The member ${type} is ${shorten(part)}, not an object.`));
    else
      for (const [key, example] of Object.entries(part)) {
        const fault = announcedFault(type, key, example);
        if (fault) faults.push(fault);
        else datapoints.push({ type, key, example });
      }
  }
  if (!("sensor" in message) && !("actuator" in message))
    faults.push(new Malformed("shape", "It has neither a member sensor nor a member actuator."));
  return { datapoints, faults };
}

function announcedFault(type: DatapointType, key: string, example: unknown): Malformed | undefined {
  const keyFault = key === "" ? "It must not be empty." : nameFault(key);
  if (keyFault !== undefined)
    return new Malformed("key", `The ${type} ${shorten(key)} cannot be stored. ${keyFault}`);
  const fault = sizeFault(example);
  return fault === undefined
    ? undefined
    : new Malformed("size", `The example of the ${type} ${shorten(key)} cannot be stored. ${fault}`);
}
