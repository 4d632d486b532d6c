import { isDeepStrictEqual } from "node:util";
import type { Millis } from "../../../kernel/time.ts";
import { type TimedKind, valueMembers } from "../timed-items.ts";

/** One item of a setpoint or a schedule as the controller reads it; it holds in [from, to). */
export interface TimedItem {
  /** Null: at once. */
  readonly from: Millis | null;
  /** Null: until the message is replaced. */
  readonly to: Millis | null;
  /** What the actuator is to do. Null is a value like any other. */
  readonly value: unknown;
  /** Of setpoints: the values of the sensor that are accepted; undefined where nothing is said about them. */
  readonly accepted?: readonly unknown[] | null;
  readonly bounds?: { readonly min: number | null; readonly max: number | null };
}

/** Items of a stored message, which may have come over MQTT unchecked: what makes no sense is left out. */
export function timedItems(kind: TimedKind, content: unknown): readonly TimedItem[] {
  if (!Array.isArray(content)) return [];
  return (content as readonly unknown[]).flatMap((entry) => {
    if (typeof entry !== "object" || entry === null) return [];
    const item = entry as Readonly<Record<string, unknown>>;
    const { from_timestamp: from = null, to_timestamp: to = null } = item;
    const value = item[valueMembers[kind]];
    if (value === undefined || !isInstant(from) || !isInstant(to)) return [];
    return [{ from, to, value, ...(kind === "setpoint" ? rangeOf(item) : {}) }];
  });
}

const isInstant = (value: unknown): value is Millis | null => value === null || typeof value === "number";

function rangeOf(item: Readonly<Record<string, unknown>>): Pick<TimedItem, "accepted" | "bounds"> {
  const { acceptable_values: accepted, min_value: min, max_value: max } = item;
  return {
    ...(accepted === null || Array.isArray(accepted) ? { accepted } : {}),
    ...(min !== undefined && max !== undefined
      ? { bounds: { min: numberOf(min) ?? null, max: numberOf(max) ?? null } }
      : {}),
  };
}

/** The item in force: of those that hold now the one that began last, of several the last in the list. */
export function itemAt(items: readonly TimedItem[], now: Millis): TimedItem | undefined {
  let found: TimedItem | undefined;
  for (const item of items) {
    if ((item.from ?? now) > now || (item.to !== null && item.to <= now)) continue;
    if (!found || beginOf(item) >= beginOf(found)) found = item;
  }
  return found;
}

const beginOf = ({ from }: TimedItem): number => from ?? Number.NEGATIVE_INFINITY;

/** When another item may be in force next; Infinity when never. */
export function nextChange(items: readonly TimedItem[], now: Millis): Millis {
  const edges = items.flatMap(({ from, to }) => [from, to]);
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...edges.filter((edge) => edge !== null && edge > now).map(Number),
  );
}

/** What the controller goes by: items in force, and the newest value of the sensor; undefined where there is none. */
export interface Situation {
  readonly setpoint: TimedItem | undefined;
  readonly schedule: TimedItem | undefined;
  readonly sensor: unknown;
}

/** What the actuator is to do; undefined: nothing is said, it is left alone. */
export function decide({ setpoint, schedule, sensor }: Situation): { readonly value: unknown } | undefined {
  const item =
    setpoint && schedule ? (isContent(setpoint, sensor) ? schedule : setpoint) : (setpoint ?? schedule);
  return item && { value: item.value };
}

/** Whether the occupant is content with what the sensor shows, so that the optimiser's schedule may have its way. */
function isContent({ accepted, bounds }: TimedItem, sensor: unknown): boolean {
  const isOpen = !bounds || (bounds.min === null && bounds.max === null);
  // A list that is null says nothing; bounds beside it may.
  if (accepted === undefined || (accepted === null && !isOpen)) {
    if (!bounds) return false;
    const value = numberOf(sensor);
    if (value === undefined) return true;
    return (bounds.min === null || value >= bounds.min) && (bounds.max === null || value <= bounds.max);
  }
  if (accepted === null || sensor === undefined || sensor === null) return true;
  return accepted.some((entry) => isSame(entry, sensor));
}

/** A number, also as text: setpoints hold texts where sensors measure numbers, and some devices send texts. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value))
    return undefined;
  return Number(value);
}

/** `"20"`, `"20.0"` and 20 are the same; so are `"true"` and true, `"on"` and the text on. */
function isSame(entry: unknown, sensor: unknown): boolean {
  const number = numberOf(entry);
  if (number !== undefined && number === numberOf(sensor)) return true;
  return isDeepStrictEqual(entry, sensor) || entry === JSON.stringify(sensor);
}
