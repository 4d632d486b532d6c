import type { FieldFault } from "../../kernel/errors.ts";
import { type Micros, type Millis, millisFromMicros } from "../../kernel/time.ts";
import type { Point, PointValue } from "../../kernel/timeseries/types.ts";
import { InexactNumber, numberText, parseJson } from "./json-text.ts";

/**
 * A value in its three forms: native (a JSON value), text (JSON text, in a string on the wire), and point (as the store
 * keeps it: a number, or the JSON text of anything else).
 */
export type WireForm = "text" | "native";

/** The sign of a zero is kept for a number, and dropped inside arrays and objects, as JSON.stringify does. */
export const pointOf = (value: unknown): PointValue =>
  typeof value === "number" ? value : (JSON.stringify(value) ?? "null");

/** JSON text of the value. */
export const textOfPoint = (value: PointValue): string =>
  typeof value === "number" ? numberText(value) : value;

export const nativeOfPoint = (value: PointValue): unknown =>
  typeof value === "number" ? value : (JSON.parse(value) as unknown);

/** JSON text of the message's `value` member on the wire. */
export const memberText = (value: PointValue, form: WireForm): string => {
  if (typeof value === "number") return form === "native" ? numberText(value) : `"${numberText(value)}"`;
  return form === "native" ? value : JSON.stringify(value);
};

/** As for bodies over HTTP: what is nested deeper many clients cannot read. */
const maxDepth = 200;
/** A value shares log and chunks with many others. */
export const maxValueChars = 256 * 1024;

/** Why a value is too large to be kept; undefined when it is not. */
export function sizeFault(value: unknown): string | undefined {
  if (typeof value !== "object" && typeof value !== "string") return undefined;
  if (isDeeperThan(maxDepth, value)) return `The value is nested deeper than ${maxDepth} levels.`;
  const { length } = JSON.stringify(value);
  return length > maxValueChars
    ? `The value has ${length} characters, more than ${maxValueChars}.`
    : undefined;
}

const isDeeperThan = (levels: number, value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member)));

export interface ValueMessage {
  /** JSON text, or the value itself. */
  readonly value: unknown;
  readonly timestamp: Millis;
}

export const valueMessage = (point: Point, form: WireForm): ValueMessage => ({
  value: form === "native" ? nativeOfPoint(point.value) : textOfPoint(point.value),
  timestamp: millisFromMicros(point.time),
});

export type Decoded = { readonly value: unknown } | { readonly fault: string };

/** What a message carries, in native form, or what is wrong with it. */
export type Content = { readonly value: unknown } | { readonly fault: FieldFault };

/** Integers may come as text, as forms send them; undefined for anything else. */
export function readMillis(written: unknown): Millis | undefined {
  const millis = typeof written === "string" && /^\s*[+-]?\d+\s*$/.test(written) ? Number(written) : written;
  return Number.isSafeInteger(millis) ? Number(millis) : undefined;
}

/**
 * A value as it was written over HTTP: a string is JSON text (form `text`), anything else is taken as it is.
 */
export function decodeWritten(written: unknown, form: WireForm): Decoded {
  if (form === "native" || typeof written !== "string") return { value: written };
  if (written === "") return { fault: 'This field may not be blank; the text abc is written "\\"abc\\"".' };
  try {
    return { value: parseJson(written) };
  } catch (error) {
    if (error instanceof InexactNumber) return { fault: error.message };
    const shown = written.length > 60 ? `${written.slice(0, 60)}…` : written;
    const hint = /^[-+]?(nan|inf(inity)?)$/i.test(written.trim())
      ? "NaN and Infinity are not JSON."
      : 'The text abc is written "\\"abc\\"".';
    return { fault: `Value ${JSON.stringify(shown)} cannot be parsed as JSON. ${hint}` };
  }
}

/** Messages are shown with whole milliseconds: what is shown with this timestamp lies in [from, to). */
export const shownAt = (timestamp: Millis): { readonly from: Micros; readonly to: Micros } => ({
  from: timestamp * 1000 - 500,
  to: timestamp * 1000 + 500,
});
