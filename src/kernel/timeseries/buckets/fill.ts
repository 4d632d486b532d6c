export const fills = ["null", "previous", "linear"] as const;

/**
 * What stands in a bucket without a figure: nothing, the figure of the bucket before, or the straight line between
 * the buckets before and after, by their left edges.
 */
export type Fill = (typeof fills)[number];

/**
 * Fills the gaps (NaN) of a column of bucket figures. `edges` are the left edges, and may hold the end edge too.
 * `before` is the figure of the bucket before the first, for `previous`. Ends without a neighbour stay NaN.
 */
export const fillGaps = (
  fill: Fill,
  edges: Float64Array,
  column: Float64Array,
  before: number = Number.NaN,
): Float64Array => {
  const filled = column.slice();
  if (fill === "previous") fillPrevious(filled, before);
  else if (fill === "linear") fillLinear(edges, filled);
  return filled;
};

const fillPrevious = (column: Float64Array, before: number): void => {
  let previous = before;
  for (let i = 0; i < column.length; i++) {
    const value = column[i] as number;
    if (Number.isNaN(value)) column[i] = previous;
    else previous = value;
  }
};

const fillLinear = (edges: Float64Array, column: Float64Array): void => {
  let left = -1;
  for (let right = 0; right < column.length; right++) {
    const end = column[right] as number;
    if (Number.isNaN(end)) continue;
    if (left >= 0 && right - left > 1) {
      const start = column[left] as number;
      const from = edges[left] as number;
      const width = (edges[right] as number) - from;
      for (let i = left + 1; i < right; i++) {
        column[i] = between(start, end, (edges[i] as number) - from, width);
      }
    }
    left = right;
  }
};

const between = (start: number, end: number, at: number, width: number): number => {
  const value = start + ((end - start) * at) / width;
  // Only near the greatest float64 does the difference or the product overflow.
  return Number.isFinite(value) ? value : start * (1 - at / width) + end * (at / width);
};
