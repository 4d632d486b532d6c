import type { NestedErrors } from "../../kernel/errors.ts";
import type { Millis } from "../../kernel/time.ts";
import { type Datapoint, type MessageKind, timestampFault, valueFault } from "./model.ts";
import { shorten } from "./texts.ts";
import { type Content, decodeWritten, readMillis, type WireForm } from "./values.ts";

/**
 * Setpoints and schedules are lists of items, each of which holds for a time: what an occupant wants, and what an
 * optimiser has decided. As stored and as on MQTT they are native; over HTTP their values are JSON text in strings
 * unless the client asks for the native form.
 */
export type TimedKind = Exclude<MessageKind, "value">;

/** The member that holds the value of an item, in all formats. */
export const valueMembers = { setpoint: "preferred_value", schedule: "value" } as const;

type Item = Readonly<Record<string, unknown>>;
type Faults = Record<string, string[]>;

/** What the item must have besides its value: see section "Setpoint messages" of the existing system's documentation. */
const required = (kind: TimedKind, { dataFormat }: Datapoint): readonly string[] => {
  const all = ["from_timestamp", "to_timestamp", valueMembers[kind]];
  if (kind === "schedule") return all;
  if (dataFormat.startsWith("discrete_")) return [...all, "acceptable_values"];
  return dataFormat === "continuous_numeric" ? [...all, "min_value", "max_value"] : all;
};

/** What was written over HTTP as a list of items, in native form. What an item has besides the known members is dropped. */
export function readTimedItems(
  kind: TimedKind,
  datapoint: Datapoint,
  written: unknown,
  form: WireForm,
  now: Millis,
): Content {
  if (written === null)
    return kind === "setpoint" ? { value: null } : { fault: ["This field may not be null."] };
  if (!Array.isArray(written))
    return { fault: { non_field_errors: [`Expected a list of items, not ${shorten(written)}.`] } };
  const members = required(kind, datapoint);
  const items: Item[] = [];
  const faults: NestedErrors[] = [];
  for (const input of written as readonly unknown[]) {
    const { item, faults: own } = readItem(kind, members, input, form);
    items.push(item);
    faults.push(own);
  }
  if (faults.some((own) => Object.keys(own).length > 0)) return { fault: faults };
  for (const [index, item] of items.entries()) {
    const fault = itemFault(kind, datapoint, item, now);
    if (fault !== undefined) return { fault: [`Item ${index}: ${fault}`] };
  }
  return { value: items };
}

function readItem(
  kind: TimedKind,
  members: readonly string[],
  input: unknown,
  form: WireForm,
): { readonly item: Item; readonly faults: NestedErrors } {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return { item: {}, faults: { non_field_errors: [`An object is expected, not ${shorten(input)}.`] } };
  const item: Record<string, unknown> = {};
  const faults: Faults = {};
  const given = input as Item;
  for (const name of ["from_timestamp", "to_timestamp", valueMembers[kind], ...ranges[kind]]) {
    const written = Object.hasOwn(given, name) ? given[name] : undefined;
    if (written === undefined) {
      if (members.includes(name)) faults[name] = ["This field is required."];
      continue;
    }
    const read = readMember(name, written, form);
    if ("fault" in read) faults[name] = [read.fault];
    else item[name] = read.value;
  }
  return { item, faults };
}

/** Which values of the sensor an occupant accepts. */
const ranges = { setpoint: ["acceptable_values", "min_value", "max_value"], schedule: [] } as const;

type Member = { readonly value: unknown } | { readonly fault: string };

function readMember(name: string, written: unknown, form: WireForm): Member {
  switch (name) {
    case "from_timestamp":
    case "to_timestamp":
      return readTimestamp(written);
    case "min_value":
    case "max_value":
      return readBound(written);
    case "acceptable_values":
      return readAcceptable(written, form);
    default:
      return decodeWritten(written, form);
  }
}

function readTimestamp(written: unknown): Member {
  if (written === null) return { value: null };
  const value = readMillis(written);
  return value === undefined ? { fault: `A valid integer is required, not ${shorten(written)}.` } : { value };
}

function readBound(written: unknown): Member {
  if (written === null || typeof written === "number") return { value: written };
  const number = typeof written === "string" && written.trim() !== "" ? Number(written) : Number.NaN;
  return Number.isFinite(number)
    ? { value: number }
    : { fault: `A valid number is required, not ${shorten(written)}.` };
}

/** Texts, as they are; a number becomes its text. In native form any values, as they are. */
function readAcceptable(written: unknown, form: WireForm): Member {
  if (written === null) return { value: null };
  if (!Array.isArray(written)) return { fault: `Expected a list of values, not ${shorten(written)}.` };
  if (form === "native") return { value: written };
  const odd = written.find(
    (entry) => entry !== null && typeof entry !== "string" && typeof entry !== "number",
  );
  if (odd !== undefined) return { fault: `${shorten(odd)} is not a valid string.` };
  return { value: written.map(acceptableText) };
}

const acceptableText = (entry: unknown): unknown =>
  entry === null || typeof entry === "string" ? entry : JSON.stringify(entry);

/** The rule that a complete item breaks; undefined when it breaks none. */
function itemFault(kind: TimedKind, datapoint: Datapoint, item: Item, now: Millis): string | undefined {
  const member = valueMembers[kind];
  const from = item["from_timestamp"] as Millis | null;
  const to = item["to_timestamp"] as Millis | null;
  for (const [name, instant] of Object.entries({ from_timestamp: from, to_timestamp: to })) {
    const fault = instant === null ? undefined : timestampFault(instant, now);
    if (fault !== undefined) return `${name}: ${fault}`;
  }
  if (from !== null && to !== null && from >= to)
    return `to_timestamp must be larger than from_timestamp; ${to} is not larger than ${from}.`;
  const fault = valueFault(datapoint, item[member]);
  return fault === undefined ? undefined : `${member}: ${fault}`;
}

/** JSON text of the list with its values as JSON text, from JSON text of the native list. */
export function timedItemsText(kind: TimedKind, native: string): string {
  const items = JSON.parse(native) as unknown;
  if (!Array.isArray(items)) return native;
  const member = valueMembers[kind];
  return JSON.stringify(
    (items as readonly Item[]).map((item) => ({
      ...item,
      ...(item[member] === undefined ? {} : { [member]: JSON.stringify(item[member]) }),
      ...(Array.isArray(item["acceptable_values"])
        ? { acceptable_values: item["acceptable_values"].map(acceptableText) }
        : {}),
    })),
  );
}
