import { isDeepStrictEqual } from "node:util";
import type { Millis } from "../../kernel/time.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { shorten } from "./texts.ts";

export const dataFormats = [
  "generic_numeric",
  "continuous_numeric",
  "discrete_numeric",
  "generic_text",
  "discrete_text",
  "bool",
  "unknown",
] as const;
export type DataFormat = (typeof dataFormats)[number];

export const datapointTypes = ["sensor", "actuator"] as const;
export type DatapointType = (typeof datapointTypes)[number];

export interface Connector {
  readonly id: number;
  readonly name: string;
  readonly added: Millis;
  readonly lastChanged: Millis;
  readonly lastHeartbeat: Millis | null;
  readonly nextHeartbeat: Millis | null;
}

export interface Datapoint {
  readonly id: number;
  readonly connectorId: number;
  readonly connector: string;
  readonly key: string;
  readonly type: DatapointType;
  readonly isActive: boolean;
  readonly dataFormat: DataFormat;
  readonly shortName: string | null;
  readonly description: string;
  readonly unit: string;
  readonly allowedValues: readonly unknown[] | null;
  readonly minValue: number | null;
  readonly maxValue: number | null;
  readonly exampleValue: unknown;
  /** Of each kind of message; null before the first activation, or the first message written to the history. */
  readonly streams: Readonly<Record<MessageKind, StreamId | null>>;
  /** Of the steps of its commands; null before the first of them. */
  readonly commandStream: StreamId | null;
}

/** A datapoint not yet stored. */
export type NewDatapoint = Omit<Datapoint, "id" | "streams" | "commandStream">;

/** What a message about a datapoint carries: the last level of its topic and the name of its payload's member. */
export const messageKinds = ["value", "setpoint", "schedule"] as const;
export type MessageKind = (typeof messageKinds)[number];

/** What a datapoint's streams hold: messages, and the steps of its commands. The second part of their keys. */
export const streamKinds = [...messageKinds, "command"] as const;
export type StreamKind = (typeof streamKinds)[number];

/** On which the right to view is needed to see such a stream. */
export const viewedResource = (kind: string): string => (kind === "command" ? kind : `datapoint${kind}`);

/** Which messages a datapoint has: sensors are measured only; setpoints and schedules belong to the control extension. */
export const kindsOf = (type: DatapointType, control: boolean): readonly MessageKind[] =>
  type === "actuator" && control ? messageKinds : ["value"];

export const noStreams: Datapoint["streams"] = { value: null, setpoint: null, schedule: null };

/** Null before the first heartbeat. */
export const isAlive = (connector: Connector, now: Millis): boolean | null =>
  connector.nextHeartbeat === null ? null : now <= connector.nextHeartbeat;

/** Unique indexes of PostgreSQL take at most about 2,700 bytes. */
const maxNameBytes = 2000;

/** Why the text cannot be an indexed name or key; undefined when it can. */
export function nameFault(text: string): string | undefined {
  if (Buffer.byteLength(text) > maxNameBytes) return `Must have at most ${maxNameBytes} bytes.`;
  return textFault(text);
}

/** Why the text cannot be stored; undefined when it can. */
export function textFault(text: string): string | undefined {
  if (text.includes("\0")) return "Must not contain the character NUL.";
  return text.isWellFormed() ? undefined : "Must be valid Unicode.";
}

const maxConnectorName = 200;

/** Why a connector cannot have this name, which becomes the first level of its topics; undefined when it can. */
export function connectorNameFault(name: string): string | undefined {
  if (name === "") return "This field may not be blank.";
  const shown = shorten(name);
  if (/[/+#]/.test(name)) return `${shown} must not contain /, + or #: it is the first level of MQTT topics.`;
  if (name.startsWith("$")) return `${shown} must not begin with $: such topics belong to the broker.`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return `${shown} must not contain control characters.`;
  if (name.trim() !== name) return `${shown} must not begin or end with a blank.`;
  if (!name.isWellFormed()) return `${shown} must be valid Unicode.`;
  if (name.length > maxConnectorName) return `${shown} must have at most ${maxConnectorName} characters.`;
  return undefined;
}

export interface ConnectorTopics {
  readonly logs: string;
  readonly heartbeat: string;
  readonly available_datapoints: string;
  readonly datapoint_map: string;
  readonly raw_message_to_db: string;
  readonly raw_message_reprocess: string;
  readonly datapoint_message_wildcard: string;
}

export const topicsOf = (connector: string): ConnectorTopics => ({
  logs: `${connector}/logs`,
  heartbeat: `${connector}/heartbeat`,
  available_datapoints: `${connector}/available_datapoints`,
  datapoint_map: mapTopic(connector),
  raw_message_to_db: `${connector}/raw_message_to_db`,
  raw_message_reprocess: `${connector}/raw_message_reprocess`,
  datapoint_message_wildcard: `${connector}/messages/#`,
});

export const mapTopic = (connector: string): string => `${connector}/datapoint_map`;

export const messageTopic = (connector: string, id: number, kind: MessageKind): string =>
  `${connector}/messages/${id}/${kind}`;

/** What a connector must know of a datapoint to use it. */
export interface MappedDatapoint {
  readonly id: number;
  readonly key: string;
  readonly type: DatapointType;
}

/** JSON text of a connector's map: sensors by key, actuators by topic, active ones only. */
export function datapointMap(connector: string, active: readonly MappedDatapoint[]): string {
  // Without prototype, so that a key named __proto__ is a key like any other.
  const sensor: Record<string, string> = Object.create(null);
  const actuator: Record<string, string> = Object.create(null);
  for (const { id, key, type } of active) {
    const topic = messageTopic(connector, id, "value");
    if (type === "sensor") sensor[key] = topic;
    else actuator[topic] = key;
  }
  return JSON.stringify({ sensor, actuator });
}

/** For a connector without active datapoints, and on topics no longer in use. */
export const emptyMap = datapointMap("", []);

const lowestBefore: Millis = 5e11;
const highestAfter: Millis = 1e11;

/** Why a timestamp written over HTTP is refused; undefined when it is fine. */
export function timestampFault(timestamp: Millis, now: Millis): string | undefined {
  if (timestamp < now - lowestBefore)
    return `Timestamp ${timestamp} seems unreasonably low. Milliseconds since 1970-01-01 UTC are expected.`;
  if (timestamp > now + highestAfter)
    return `Timestamp ${timestamp} seems unreasonably high. Milliseconds since 1970-01-01 UTC are expected.`;
  return undefined;
}

/** The greatest distance from 1970 that the store can hold, about year 2255. */
export const maxMillis: Millis = 9_007_199_254_000;

export type ValueRules = Pick<Datapoint, "dataFormat" | "allowedValues" | "minValue" | "maxValue">;

/** The rule that the (native) value breaks on a datapoint of this kind; undefined when it breaks none. */
export function valueFault(rules: ValueRules, value: unknown): string | undefined {
  switch (rules.dataFormat) {
    case "unknown":
      return undefined;
    case "bool":
      return typeof value === "boolean" ? undefined : `Value ${shorten(value)} must be true or false.`;
    case "generic_text":
      return textValueFault(value);
    case "discrete_text":
      return textValueFault(value) ?? memberFault(rules, value);
    case "generic_numeric":
      return numberFault(value);
    case "discrete_numeric":
      return numberFault(value) ?? memberFault(rules, value);
    case "continuous_numeric":
      return numberFault(value) ?? boundFault(rules, value);
  }
}

const numberFault = (value: unknown): string | undefined =>
  typeof value === "number" || value === null
    ? undefined
    : `Value ${shorten(value)} cannot be parsed to float: this datapoint takes numbers or null.`;

const textValueFault = (value: unknown): string | undefined =>
  typeof value === "string" || value === null ? undefined : `Value ${shorten(value)} must be a text or null.`;

function boundFault({ minValue, maxValue }: ValueRules, value: unknown): string | undefined {
  if (typeof value !== "number") return undefined;
  if (minValue !== null && value < minValue) return `Value ${value} is less than the minimum ${minValue}.`;
  if (maxValue !== null && value > maxValue) return `Value ${value} is greater than the maximum ${maxValue}.`;
  return undefined;
}

function memberFault({ allowedValues }: ValueRules, value: unknown): string | undefined {
  const allowed = allowedValues ?? [];
  if (allowed.some((entry) => isDeepStrictEqual(entry, value) || entry === value)) return undefined;
  const listed = allowed.slice(0, 20).map(shorten).join(", ");
  return `Value ${shorten(value)} is not one of the allowed values (${listed || "none are listed"}).`;
}
