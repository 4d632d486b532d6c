import { invalidField, Problem } from "../../kernel/errors.ts";
import { decodeCursor } from "../../kernel/http/paging.ts";
import type { Micros } from "../../kernel/time.ts";
import { type Interval, parseInterval } from "../../kernel/timeseries/buckets/interval.ts";
import { allTime, type TimeRange } from "../../kernel/timeseries/types.ts";
import { type DataFormat, dataFormats } from "./model.ts";
import type { DatapointQuery, MessageQuery, TimestampQuery } from "./schemas.ts";
import type { DatapointFilter, FilterColumn } from "./store.ts";
import { shorten } from "./texts.ts";

/** Query parameters as the existing clients send them: an empty one is none. */

/**
 * The integers in a page's cursor.
 * @throws Problem `invalid-request`
 */
export function readCursor(cursor: string | undefined, count = 1): readonly number[] {
  if (cursor === undefined) return [];
  return decodeCursor(cursor, Array<"number">(count).fill("number")).map(Number);
}

const exactly: readonly (readonly [keyof DatapointQuery, FilterColumn])[] = [
  ["connector__name", "connector"],
  ["key_in_connector", "key_in_connector"],
  ["short_name", "short_name"],
  ["description", "description"],
  ["type", "type"],
  ["data_format", "data_format"],
  ["unit", "unit"],
];

const containing: readonly (readonly [keyof DatapointQuery, FilterColumn])[] = [
  ["connector__name__icontains", "connector"],
  ["key_in_connector__icontains", "key_in_connector"],
  ["short_name__icontains", "short_name"],
  ["description__icontains", "description"],
  ["data_format__icontains", "data_format"],
  ["unit__icontains", "unit"],
];

/**
 * @returns undefined when nothing can match
 * @throws Problem `invalid-request`
 */
export function readDatapointFilter(query: DatapointQuery): DatapointFilter | undefined {
  const { data_format: format, id__in, is_active } = query;
  if (format !== undefined && format !== "" && !dataFormats.includes(format as DataFormat))
    throw invalidField("data_format", `${shorten(format)} is not a valid choice: ${dataFormats.join(", ")}.`);
  const pick = (names: typeof exactly) =>
    names.flatMap(([name, column]) => {
      const text = query[name];
      return typeof text === "string" && text !== "" ? [[column, text] as const] : [];
    });
  const equal = pick(exactly);
  const contains = pick(containing);
  // No stored text has a NUL, and PostgreSQL takes none in a parameter.
  if ([...equal, ...contains].some(([, text]) => text.includes("\0"))) return undefined;
  return {
    equal,
    contains,
    ...(is_active === "all" ? {} : { isActive: is_active !== "false" }),
    ...(id__in === undefined || id__in === "" ? {} : { ids: readIds("id__in", id__in) }),
  };
}

/**
 * Ids separated by commas; those that cannot exist are left out.
 * @throws Problem `invalid-request`
 */
export function readIds(name: string, list: string): readonly number[] {
  const ids = list
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      if (/^\s*[+-]?\d+\s*$/.test(part)) return Number(part);
      throw invalidField(name, `Enter numbers separated by commas; ${shorten(part)} is none.`);
    });
  return ids.filter((id) => Number.isSafeInteger(id) && id > 0);
}

/**
 * The half-open range in microseconds that the four timestamp filters (milliseconds) leave.
 * @throws Problem `invalid-request`
 */
export function readRange(query: TimestampQuery): TimeRange {
  const gte = readInstant("timestamp__gte", query.timestamp__gte);
  const gt = readInstant("timestamp__gt", query.timestamp__gt);
  const lte = readInstant("timestamp__lte", query.timestamp__lte);
  const lt = readInstant("timestamp__lt", query.timestamp__lt);
  const from = Math.max(
    allTime.from,
    gte === undefined ? allTime.from : Math.ceil(gte),
    gt === undefined ? allTime.from : Math.floor(gt) + 1,
  );
  const to = Math.min(
    allTime.to,
    lte === undefined ? allTime.to : Math.floor(lte) + 1,
    lt === undefined ? allTime.to : Math.ceil(lt),
  );
  const low = Math.min(from, allTime.to);
  return { from: low, to: Math.max(low, to) };
}

/** Microseconds, perhaps with a fraction. */
function readInstant(name: string, text: string | undefined): Micros | undefined {
  if (text === undefined || text === "") return undefined;
  const micros = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)
    ? Number(text) * 1000
    : Number.NaN;
  if (Number.isNaN(micros)) throw invalidField(name, "Enter a number.");
  // The product of a decimal and 1000 may miss a whole microsecond by the last bit.
  const whole = Math.round(micros);
  return Math.abs(micros - whole) < 0.3 ? whole : micros;
}

/**
 * The width of buckets; undefined without one.
 * @throws Problem `invalid-request`, with the field names `interval` and `frequency`, which existing clients read
 */
export function readInterval(text: string | undefined): Interval | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  try {
    return parseInterval(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const rules = error.fields?.["interval"] ?? [];
    throw new Problem("invalid-request", {
      detail: error.message,
      errors: error.errors ?? [],
      fields: { frequency: rules, interval: rules },
      cause: error,
    });
  }
}

/** What is left of the range behind the page before. */
export function restOfRange(range: TimeRange, { cursor }: Pick<MessageQuery, "cursor">): TimeRange {
  const [last] = readCursor(cursor);
  if (last === undefined) return range;
  const from = Math.max(range.from, last + 1);
  return { from: Math.min(from, range.to), to: range.to };
}
