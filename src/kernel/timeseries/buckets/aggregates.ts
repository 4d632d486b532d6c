import type { Micros } from "../../time.ts";
import type { TimeRange } from "../types.ts";
import { addHold, addRise, type Summary } from "./rollup.ts";
import { Total } from "./total.ts";

export const aggregates = [
  "count",
  "avg",
  "min",
  "max",
  "sum",
  "first",
  "last",
  "twa",
  "integral",
  "increase",
] as const;

/**
 * What a bucket can be asked for: `count` of all points, `avg`, `min`, `max`, `sum`, `first` and `last` of the numbers
 * in it, and, taking a number to hold until the next one:
 * `twa` the mean weighted by time, over the part of the bucket in which the value is known;
 * `integral` over that part, in unit × seconds;
 * `increase` the rises, including the one from the last number before the bucket, so that those of adjacent buckets
 * add up; a fall is a counter reset and adds nothing.
 */
export type Aggregate = (typeof aggregates)[number];

const microsPerSecond = 1_000_000;

/**
 * One figure of one bucket; null where it is not known. `summary` is undefined for a bucket without points, `carried`
 * is the last number before the bucket. `bounds` are the bucket's edges, its end not later than the time until which
 * the last value is known to hold (usually now).
 */
export const aggregate = (
  name: Aggregate,
  summary: Summary | undefined,
  bounds: TimeRange,
  carried: number | undefined,
): number | null => {
  if (name === "count") return summary?.count ?? 0;
  if (name === "twa" || name === "integral") return overTime(name, summary, bounds, carried);
  if (name === "increase") return increaseOf(summary, carried);
  if (summary === undefined || summary.numeric === 0) return null;
  if (name === "sum") return summary.sum.value();
  if (name === "avg") return summary.sum.value() / summary.numeric;
  return summary[name];
};

const increaseOf = (summary: Summary | undefined, carried: number | undefined): number | null => {
  if (summary === undefined || summary.numeric === 0) return carried === undefined ? null : 0;
  if (carried === undefined || !(summary.first > carried)) return summary.increase.value();
  const increase = summary.increase.copy();
  addRise(increase, carried, summary.first);
  return increase.value();
};

const overTime = (
  name: "twa" | "integral",
  summary: Summary | undefined,
  bounds: TimeRange,
  carried: number | undefined,
): number | null => {
  const hasNumbers = summary !== undefined && summary.numeric > 0;
  const known = carried !== undefined ? bounds.from : hasNumbers ? summary.firstTime : bounds.to;
  const length = bounds.to - known;
  if (!(length > 0)) return null;
  const area = hasNumbers ? summary.area.copy() : new Total();
  if (carried !== undefined) addHold(area, carried, bounds.from, hasNumbers ? summary.firstTime : bounds.to);
  if (hasNumbers) addHold(area, summary.last, summary.lastTime, Math.max(summary.lastTime, bounds.to));
  return area.value() / (name === "twa" ? length : microsPerSecond);
};

/**
 * One figure of all buckets: `edges` as edgesBetween gives them, `summaries` one for each bucket, undefined where it
 * has no points. Values hold until the next number, at most until `until`. NaN where the figure is not known.
 */
export const aggregateBuckets = (
  name: Aggregate,
  edges: Float64Array,
  summaries: readonly (Summary | undefined)[],
  carried: number | undefined,
  until: Micros = Number.POSITIVE_INFINITY,
): Float64Array => {
  const column = new Float64Array(Math.max(0, edges.length - 1));
  let before = carried;
  for (let i = 0; i < column.length; i++) {
    const summary = summaries[i];
    const bounds = { from: edges[i] as number, to: Math.min(edges[i + 1] as number, until) };
    column[i] = aggregate(name, summary, bounds, before) ?? Number.NaN;
    if (summary !== undefined && summary.numeric > 0) before = summary.last;
  }
  return column;
};
