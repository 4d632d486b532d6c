import { lowerBound } from "../pages.ts";
import type { Ranges } from "../ranges.ts";
import type { TimeRange } from "../types.ts";
import { floorTo, quarterHour } from "./cells.ts";

/** All that is in any of the ranges, which may come in any order. */
export const unite = (ranges: readonly TimeRange[]): Ranges => {
  const sorted = ranges.toSorted((a, b) => a.from - b.from);
  const united: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    if (!(from < to)) continue;
    const last = united.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else united.push({ from, to });
  }
  return united;
};

/** What is in `ranges` but not in `holes`. */
export const subtract = (ranges: Ranges, holes: Ranges): Ranges => {
  if (holes.length === 0) return ranges;
  const left: TimeRange[] = [];
  let hole = 0;
  for (const { from, to } of ranges) {
    let at = from;
    while (hole < holes.length && (holes[hole] as TimeRange).to <= from) hole++;
    for (let i = hole; i < holes.length && (holes[i] as TimeRange).from < to; i++) {
      const { from: start, to: end } = holes[i] as TimeRange;
      if (start > at) left.push({ from: at, to: start });
      at = Math.max(at, end);
    }
    if (at < to) left.push({ from: at, to });
  }
  return left;
};

export const clip = (ranges: Ranges, { from, to }: TimeRange): Ranges =>
  ranges
    .filter((range) => range.from < to && range.to > from)
    .map((range) => ({ from: Math.max(from, range.from), to: Math.min(to, range.to) }));

/** The quarter hours in which the times [low, high) lie; they ascend. */
export const cellsOfTimes = (times: Float64Array, low: number, high: number): Ranges => {
  const cells: { from: number; to: number }[] = [];
  for (let i = low; i < high; ) {
    const from = floorTo(quarterHour, times[i] as number);
    const to = from + quarterHour;
    const last = cells.at(-1);
    if (last?.to === from) last.to = to;
    else cells.push({ from, to });
    i = times[i + 1] === undefined || (times[i + 1] as number) >= to ? i + 1 : lowerBound(times, to, high);
  }
  return cells;
};

/** The quarter hours that the ends of the range cut in two. */
export const cutCells = ({ from, to }: TimeRange): readonly TimeRange[] =>
  [from, to].flatMap((time) => {
    const start = floorTo(quarterHour, time);
    return start === time ? [] : [{ from: start, to: start + quarterHour }];
  });
