import type { Ranges } from "../ranges.ts";
import type { TimeRange } from "../types.ts";
import { clip, subtract, unite } from "./cell-ranges.ts";
import { ceilTo, floorTo, quarterHour, utcDay } from "./cells.ts";

/** A part of the axis, and what it is summarized from; no two overlap. */
export interface Span extends TimeRange {
  readonly from: number;
  readonly to: number;
  readonly source: "points" | "quarters" | "days";
}

/** What the tail has that the rollups do not know, in whole quarter hours. */
export interface TailCells {
  /** These need their points. */
  readonly touched: Ranges;
  /** Nothing is left in these. */
  readonly removed: Ranges;
}

/**
 * Covers [first edge, last edge) except what is removed, ascending. Days are used where they lie in one bucket, and
 * points where an edge or the tail goes through a quarter hour.
 */
export const spansOf = (edges: Float64Array, { touched, removed }: TailCells): readonly Span[] => {
  const axis = { from: edges[0] as number, to: edges[edges.length - 1] as number };
  if (isFine(edges)) return pointSpans(axis);
  const points = clip(unite([...touched, ...cellsWithEdges(edges)]), axis);
  const known = subtract([axis], unite([...points, ...removed]));
  const days = subtract(wholeDays(edges), daysAround([...points, ...removed]));
  const quarters = subtract(known, days);
  return [
    ...points.map((range): Span => ({ ...range, source: "points" })),
    ...quarters.map((range): Span => ({ ...range, source: "quarters" })),
    ...days.map((range): Span => ({ ...range, source: "days" })),
  ].sort((a, b) => a.from - b.from);
};

/** Whether an edge goes through every quarter hour. */
const isFine = (edges: Float64Array): boolean => {
  for (let i = 1; i < edges.length; i++)
    if ((edges[i] as number) - (edges[i - 1] as number) >= quarterHour) return false;
  return true;
};

function* cellsWithEdges(edges: Float64Array): Generator<TimeRange> {
  let end = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < edges.length; i++) {
    const time = edges[i] as number;
    if (time < end) continue;
    const start = floorTo(quarterHour, time);
    if (start === time) continue;
    end = start + quarterHour;
    yield { from: start, to: end };
  }
}

/** Days of UTC that lie in one bucket. */
const wholeDays = (edges: Float64Array): Ranges => {
  const days: TimeRange[] = [];
  for (let i = 1; i < edges.length; i++) {
    const start = edges[i - 1] as number;
    const end = edges[i] as number;
    if (end - start < utcDay) continue;
    const from = ceilTo(utcDay, start);
    const to = floorTo(utcDay, end);
    if (from < to) days.push({ from, to });
  }
  return unite(days);
};

const daysAround = (ranges: readonly TimeRange[]): Ranges =>
  unite(ranges.map(({ from, to }) => ({ from: floorTo(utcDay, from), to: ceilTo(utcDay, to) })));

/** All by its points. */
export const pointSpans = (range: TimeRange): readonly Span[] =>
  range.from < range.to ? [{ ...range, source: "points" }] : [];
