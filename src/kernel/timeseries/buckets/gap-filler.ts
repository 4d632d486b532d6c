import type { Micros } from "../../time.ts";
import { type Fill, fillGaps } from "./fill.ts";

/** A bucket's figure, and where the bucket begins. */
export interface Known {
  readonly edge: Micros;
  readonly value: number;
}

/** Fills the gaps of one column that comes in stretches, as if it came at once. */
export class GapFiller {
  readonly #fill: Fill;
  #left: Known | undefined;
  #right: Known | undefined;

  constructor(fill: Fill) {
    this.#fill = fill;
  }

  /**
   * @param edges the left edges of the stretch, and the end
   * @param ahead the first figure after the stretch; asked where a gap reaches that far
   */
  async next(
    edges: Float64Array,
    column: Float64Array,
    ahead: () => Promise<Known | undefined>,
  ): Promise<Float64Array> {
    if (this.#fill === "null") return column;
    const left = this.#left;
    const end = edges[edges.length - 1] as number;
    this.#left = lastKnown(edges, column) ?? left;
    if (this.#fill === "previous") return fillGaps("previous", edges, column, left?.value);
    let right: Known | undefined;
    if (Number.isNaN(column[column.length - 1]) && this.#left !== undefined) {
      if (!(this.#right !== undefined && this.#right.edge >= end))
        this.#right = (await ahead()) ?? { edge: Number.POSITIVE_INFINITY, value: Number.NaN };
      if (Number.isFinite(this.#right.edge)) right = this.#right;
    }
    const before = left === undefined ? [] : [left];
    const after = right === undefined ? [] : [right];
    const filled = fillGaps(
      "linear",
      join(before.map(toEdge), edges.subarray(0, -1), after.map(toEdge)),
      join(before.map(toValue), column, after.map(toValue)),
    );
    return filled.subarray(before.length, before.length + column.length);
  }
}

const toEdge = ({ edge }: Known): number => edge;
const toValue = ({ value }: Known): number => value;
const join = (before: readonly number[], column: Float64Array, after: readonly number[]): Float64Array => {
  const joined = new Float64Array(before.length + column.length + after.length);
  joined.set(before);
  joined.set(column, before.length);
  joined.set(after, before.length + column.length);
  return joined;
};

export const firstKnown = (edges: Float64Array, column: Float64Array): Known | undefined => {
  for (let i = 0; i < column.length; i++)
    if (!Number.isNaN(column[i])) return { edge: edges[i] as number, value: column[i] as number };
  return undefined;
};

const lastKnown = (edges: Float64Array, column: Float64Array): Known | undefined => {
  for (let i = column.length - 1; i >= 0; i--)
    if (!Number.isNaN(column[i])) return { edge: edges[i] as number, value: column[i] as number };
  return undefined;
};
