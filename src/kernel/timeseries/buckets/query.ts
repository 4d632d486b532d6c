import type { Micros } from "../../time.ts";
import type { StreamId, TimeRange } from "../types.ts";
import type { Aggregate } from "./aggregates.ts";
import type { Fill } from "./fill.ts";
import type { Interval } from "./interval.ts";

/** A comparison with a constant, as in `duration` "how long was it above 21". */
export interface Condition {
  readonly operator: "<" | "<=" | ">" | ">=" | "=" | "!=";
  readonly value: number;
}

export type BucketFigure =
  | { readonly kind: "aggregate"; readonly aggregate: Aggregate }
  /** Seconds within the bucket during which the value held met the condition. */
  | { readonly kind: "duration"; readonly condition: Condition };

/** Figures of several streams, of any features, over the buckets of one time axis. */
export interface BucketQuery {
  readonly streams: readonly StreamId[];
  /** The axis covers it: the first bucket holds `from`, the last one ends at or after `to`. */
  readonly range: TimeRange;
  readonly interval: Interval;
  /** IANA name; decides where civil days and months begin. */
  readonly zone: string;
  /** Moves the edges (a day from 06:00); default 0. */
  readonly offset?: Micros;
  readonly figures: readonly BucketFigure[];
  readonly fill: Fill;
}

/** A stretch of the axis. Columns are in the order streams × figures (all figures of the first stream first). */
export interface BucketTable {
  /** Left edges of the stretch's buckets, and the end of the last one. */
  readonly edges: Float64Array;
  /** One value per bucket; NaN where there is none. */
  readonly columns: readonly Float64Array[];
}
