import type { Micros } from "../../time.ts";
import type { TimeRange } from "../types.ts";

/**
 * How long the value met a condition within the bounds (µs), a number holding until the next one; null where no value
 * is known. The points [from, to) lie within the bounds, NaN stands for a text; `carried` is the last number before.
 */
export const duration = (
  times: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
  bounds: TimeRange,
  carried: number | undefined,
  meets: (value: number) => boolean,
): Micros | null => {
  let met = 0;
  let known = carried !== undefined;
  let holds = carried !== undefined && meets(carried);
  let since = bounds.from;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) continue;
    const time = times[i] as number;
    if (holds) met += time - since;
    since = time;
    known = true;
    holds = meets(value);
  }
  if (holds && bounds.to > since) met += bounds.to - since;
  return known ? met : null;
};
