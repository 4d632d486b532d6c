import type { Micros } from "../time.ts";
import { quarterHour } from "./buckets/cells.ts";
import type { BucketFigure } from "./buckets/query.ts";
import { lowerBound } from "./pages.ts";

/** Durations need the points themselves. */
export const needsPoints = ({ kind }: BucketFigure): boolean => kind === "duration";

/**
 * The first bucket that what is left can answer. Before the horizon only whole quarter hours are known: where an edge
 * goes through one, or where points are needed, the buckets that begin there have no figures.
 */
export function firstAnswered(
  edges: Float64Array,
  horizon: Micros,
  figures: readonly BucketFigure[],
): number {
  if (!((edges[0] as number) < horizon)) return 0;
  const first = Math.min(lowerBound(edges, horizon), edges.length - 1);
  const whole = edges.subarray(0, first + 1).every((edge) => edge >= horizon || edge % quarterHour === 0);
  return whole && !figures.some(needsPoints) ? 0 : first;
}

export const noFigures = (figures: number, buckets: number): readonly Float64Array[] =>
  Array.from({ length: figures }, () => new Float64Array(buckets).fill(Number.NaN));

/** `columns` after so many buckets without figures. */
export const afterNone = (columns: readonly Float64Array[], none: number): readonly Float64Array[] =>
  columns.map((column) => {
    const whole = new Float64Array(none + column.length).fill(Number.NaN, 0, none);
    whole.set(column, none);
    return whole;
  });
