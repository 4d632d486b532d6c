import type { Micros } from "../../time.ts";
import type { PointPage } from "../types.ts";

/** What the chunk's row says without its blob. The figures of values are over numbers only, null where there is none. */
export interface PageSummary {
  readonly count: number;
  readonly minTime: Micros;
  readonly maxTime: Micros;
  readonly numericCount: number;
  /** As Math.min and Math.max order them: -0 is below 0. */
  readonly min: number | null;
  readonly max: number | null;
  /** Added from left to right in float64. */
  readonly sum: number | null;
  /** The values of the earliest and the latest number. */
  readonly first: number | null;
  readonly last: number | null;
}

/** @throws RangeError for an empty page, which has no times to tell */
export const summarize = (page: PointPage): PageSummary => {
  const { times, values } = page;
  const count = times.length;
  const minTime = times[0];
  const maxTime = times[count - 1];
  if (minTime === undefined || maxTime === undefined) throw new RangeError("An empty page has no summary.");
  let numericCount = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let first = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    // NaN stands for a text.
    if (Number.isNaN(value)) continue;
    if (numericCount++ === 0) first = value;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    last = value;
  }
  return numericCount === 0
    ? { count, minTime, maxTime, numericCount, min: null, max: null, sum: null, first: null, last: null }
    : { count, minTime, maxTime, numericCount, min, max, sum, first, last };
};
