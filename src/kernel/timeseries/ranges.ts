import type { Micros } from "../time.ts";
import type { TimeRange } from "./types.ts";

/** Half-open ranges, ascending, that neither overlap nor touch. */
export type Ranges = readonly TimeRange[];

/** The union of the ranges and one more; an empty one adds nothing. */
export function addRange(ranges: Ranges, added: TimeRange): Ranges {
  let { from, to } = added;
  if (!(from < to)) return ranges;
  const before: TimeRange[] = [];
  const after: TimeRange[] = [];
  for (const range of ranges) {
    if (range.to < from) before.push(range);
    else if (range.from > to) after.push(range);
    else {
      from = Math.min(from, range.from);
      to = Math.max(to, range.to);
    }
  }
  return [...before, { from, to }, ...after];
}

export function covers(ranges: Ranges, time: Micros): boolean {
  for (const range of ranges) if (time >= range.from && time < range.to) return true;
  return false;
}
