import { invalidField } from "../../kernel/errors.ts";
import type { Micros } from "../../kernel/time.ts";
import type { Fill } from "../../kernel/timeseries/buckets/fill.ts";
import { type Interval, parseInterval } from "../../kernel/timeseries/buckets/interval.ts";
import { zoneId } from "../../kernel/timeseries/buckets/zones.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { type NamedFigure, readFigures } from "./figures.ts";
import { readInstant } from "./instants.ts";
import type { ReadQuery } from "./schemas.ts";

export type Format = "json" | "csv" | "ndjson" | "parquet";

/** How CSV is written. */
export interface CsvForm {
  readonly delimiter: "," | ";" | "\t";
  readonly decimal: "." | ",";
  readonly bom: boolean;
}

export interface BucketWish {
  readonly interval: Interval;
  readonly offset: Micros;
  readonly figures: readonly NamedFigure[];
  readonly fill: Fill;
}

/** What `GET /streams/query` was asked for, checked as far as it can be without the store. */
export interface Wish {
  readonly ids: readonly StreamId[];
  readonly from: Micros | undefined;
  readonly to: Micros | undefined;
  readonly zone: string;
  readonly unit: string | undefined;
  /** Undefined: raw points. */
  readonly buckets: BucketWish | undefined;
  readonly format: Format;
  readonly csv: CsvForm;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/** One page of points is held for each stream of a merge. */
export const maxRawStreams = 100;
export const maxBucketColumns = 5000;

/** @throws Problem `invalid-request` naming the parameter */
export function readWish(query: ReadQuery): Wish {
  const zone = zoneId(given(query.zone) ?? "UTC");
  const from = given(query.from);
  const to = given(query.to);
  const wish: Wish = {
    ids: [...new Set(query.ids.split(",").map(Number))],
    from: from === undefined ? undefined : readInstant("from", from, zone),
    to: to === undefined ? undefined : readInstant("to", to, zone),
    zone,
    unit: given(query.unit),
    buckets: readBuckets(query),
    format: (query.format ?? "json") as Format,
    csv: readCsvForm(query),
    limit: query.limit,
    cursor: query.cursor,
  };
  if (wish.from !== undefined && wish.to !== undefined && wish.to < wish.from)
    throw invalidField("to", "It lies before from.");
  checkSize(wish);
  return wish;
}

/** An empty parameter is none. */
const given = (text: string | undefined): string | undefined =>
  text === undefined || text.trim() === "" ? undefined : text.trim();

function readBuckets(query: ReadQuery): BucketWish | undefined {
  const interval = given(query.interval);
  if (interval === undefined) {
    for (const field of ["agg", "condition", "fill", "offset"] as const)
      if (given(query[field] as string | undefined) !== undefined)
        throw invalidField(field, "It needs an interval; without one the points come as they are.");
    return undefined;
  }
  return {
    interval: parseInterval(interval),
    offset: readOffset(given(query.offset)),
    figures: readFigures(given(query.agg), query.condition),
    fill: (query.fill ?? "null") as Fill,
  };
}

/** A fixed width, also a negative one; nought is none. */
function readOffset(text: string | undefined): Micros {
  const [, sign, width = ""] = /^\s*(-?)(.*)$/.exec(text ?? "") ?? [];
  if (width === "" || /^0+(\.0*)?\s*[a-z]*$/i.test(width)) return 0;
  const interval = parseInterval(width, "offset");
  const days = interval.kind === "civil" && interval.unit === "day" ? interval.count : undefined;
  const micros =
    interval.kind === "fixed" ? interval.width : days === undefined ? undefined : days * 86_400e6;
  if (micros === undefined) throw invalidField("offset", "Months have no fixed width; write hours or days.");
  return sign === "-" ? -micros : micros;
}

const delimiters: Readonly<Record<string, CsvForm["delimiter"]>> = {
  comma: ",",
  ",": ",",
  semicolon: ";",
  ";": ";",
  tab: "\t",
  "\t": "\t",
};
const decimals: Readonly<Record<string, CsvForm["decimal"]>> = {
  point: ".",
  ".": ".",
  comma: ",",
  ",": ",",
};

function readCsvForm(query: ReadQuery): CsvForm {
  const decimal = choose("decimal", query.decimal, decimals) ?? ".";
  const delimiter = choose("delimiter", query.delimiter, delimiters) ?? (decimal === "," ? ";" : ",");
  if (decimal === delimiter)
    throw invalidField("delimiter", "It cannot be the comma when the decimal mark is one.");
  return { decimal, delimiter, bom: query.bom === true };
}

function choose<T>(
  field: string,
  text: string | undefined,
  known: Readonly<Record<string, T>>,
): T | undefined {
  if (text === undefined || text === "") return undefined;
  const found = Object.hasOwn(known, text) ? known[text] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(known).filter((name) => name.length > 1);
  throw invalidField(field, `${JSON.stringify(text.slice(0, 60))} is none of ${names.join(", ")}.`);
}

function checkSize({ ids, buckets }: Wish): void {
  if (!buckets && ids.length > maxRawStreams)
    throw invalidField("ids", `Points of at most ${maxRawStreams} streams at once, not of ${ids.length}.`);
  const columns = ids.length * (buckets?.figures.length ?? 0);
  if (columns > maxBucketColumns)
    throw invalidField("ids", `At most ${maxBucketColumns} columns (streams × figures), not ${columns}.`);
}
