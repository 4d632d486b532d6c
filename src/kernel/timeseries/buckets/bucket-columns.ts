import type { Micros } from "../../time.ts";
import type { ScaledRun } from "../codec/scaled-run.ts";
import { lowerBound } from "../pages.ts";
import { aggregate } from "./aggregates.ts";
import { duration } from "./duration.ts";
import type { BucketFigure, Condition } from "./query.ts";
import { RunningSummary, type Wanted } from "./rollup.ts";
import type { RollupPage } from "./rollup-page.ts";
import { addRows } from "./rollup-rows.ts";

const microsPerSecond = 1_000_000;

/**
 * The figures of a stretch of buckets, from rollups and points that come in ascending order, none twice. One summary
 * serves all buckets one after the other.
 */
export class BucketColumns {
  readonly columns: readonly Float64Array[];
  readonly #edges: Float64Array;
  readonly #figures: readonly BucketFigure[];
  readonly #until: Micros;
  readonly #durations: readonly Durations[];
  readonly #summarizes: boolean;
  readonly #wanted: Wanted;
  /** Whether `addRun` serves all figures. */
  readonly takesRuns: boolean;
  #bucket = 0;
  #end: Micros;
  #summary = new RunningSummary();
  #carried: number | undefined;

  /**
   * @param edges n + 1 for n buckets, at least 2
   * @param carried the last number before the first edge
   * @param until when the last value is no longer known to hold
   */
  constructor(
    edges: Float64Array,
    figures: readonly BucketFigure[],
    carried: number | undefined,
    until: Micros,
  ) {
    this.#edges = edges;
    this.#figures = figures;
    this.#carried = carried;
    this.#until = until;
    this.#end = edges[1] as number;
    this.columns = figures.map(() => new Float64Array(edges.length - 1));
    this.#durations = figures.flatMap((figure) =>
      figure.kind === "duration" ? [new Durations(edges[0] as number, carried, figure.condition)] : [],
    );
    this.#wanted = wantedOf(figures);
    this.takesRuns = this.#durations.length === 0;
    this.#summarizes = figures.some(({ kind }) => kind === "aggregate");
  }

  /** The last number so far. */
  get carried(): number | undefined {
    if (this.#summary.numeric > 0) return this.#summary.last;
    return this.#durations[0]?.carried ?? this.#carried;
  }

  /** The rows [from, to), each of which lies in one bucket. */
  addRows(page: RollupPage, from: number, to: number): void {
    const { starts } = page;
    for (let row = from; row < to; ) {
      this.#advance(starts[row] as number);
      let end = row + 1;
      while (end < to && (starts[end] as number) < this.#end) end++;
      addRows(this.#summary, page, row, end);
      row = end;
    }
  }

  /** NaN stands for a text. */
  addPoints(times: Float64Array, values: Float64Array): void {
    for (let low = 0; low < times.length; ) {
      this.#advance(times[low] as number);
      const high = lowerBound(times, this.#end);
      if (this.#summarizes) this.#summary.addPoints(times, values, low, high);
      for (const each of this.#durations) each.add(times, values, low, high);
      low = high;
    }
  }

  /** The points [from, to) of a chunk. */
  addRun(run: ScaledRun, from: number, to: number): void {
    for (let low = from; low < to; ) {
      this.#advance(run.timeAt(low));
      const high = run.lowerBound(this.#end, low, to);
      this.#summary.addRun(run, low, high, this.#wanted);
      low = high;
    }
  }

  /** Ends the last bucket. */
  end(): void {
    while (this.#bucket < this.#edges.length - 1) this.#close();
  }

  #advance(time: Micros): void {
    while (time >= this.#end) this.#close();
  }

  #close(): void {
    const bucket = this.#bucket++;
    const bounds = { from: this.#edges[bucket] as number, to: Math.min(this.#end, this.#until) };
    const summary = this.#summary;
    const filled = summary.count > 0 ? summary : undefined;
    let next = 0;
    for (let i = 0; i < this.#figures.length; i++) {
      const figure = this.#figures[i] as BucketFigure;
      const value =
        figure.kind === "aggregate"
          ? aggregate(figure.aggregate, filled, bounds, this.#carried)
          : (this.#durations[next++] as Durations).end(bounds.to, this.#end);
      (this.columns[i] as Float64Array)[bucket] = value ?? Number.NaN;
    }
    if (summary.numeric > 0) this.#carried = summary.last;
    if (summary.count > 0) summary.reset();
    this.#end = this.#edges[bucket + 2] ?? Number.POSITIVE_INFINITY;
  }
}

const wantedOf = (figures: readonly BucketFigure[]): Wanted => {
  const names = figures.map((figure) => (figure.kind === "aggregate" ? figure.aggregate : "duration"));
  return {
    extremes: names.some((name) => name === "min" || name === "max"),
    sum: names.some((name) => name === "avg" || name === "sum"),
    area: names.some((name) => name === "twa" || name === "integral"),
    increase: names.includes("increase"),
  };
};

type Meets = (value: number) => boolean;

const meetsOf = ({ operator, value: limit }: Condition): Meets => {
  if (operator === "<") return (value) => value < limit;
  if (operator === "<=") return (value) => value <= limit;
  if (operator === ">") return (value) => value > limit;
  if (operator === ">=") return (value) => value >= limit;
  if (operator === "=") return (value) => value === limit;
  return (value) => value !== limit;
};

/** How long a condition held, bucket after bucket, piece after piece of a bucket's points. */
class Durations {
  carried: number | undefined;
  readonly #meets: Meets;
  #start: Micros;
  /** Up to here it is counted. */
  #at: Micros;
  #met = 0;

  constructor(from: Micros, carried: number | undefined, condition: Condition) {
    this.#start = from;
    this.#at = from;
    this.carried = carried;
    this.#meets = meetsOf(condition);
  }

  add(times: Float64Array, values: Float64Array, from: number, to: number): void {
    let last = to - 1;
    while (last >= from && Number.isNaN(values[last])) last--;
    if (last < from) return;
    const bounds = { from: this.#at, to: times[last] as number };
    this.#met += duration(times, values, from, last + 1, bounds, this.carried, this.#meets) ?? 0;
    this.#at = bounds.to;
    this.carried = values[last] as number;
  }

  /** Seconds of the bucket that ends at `end`, its last value known to hold until `until`; null where none is known. */
  end(until: Micros, end: Micros): number | null {
    const rest = { from: this.#at, to: until };
    this.#met += duration(noTimes, noTimes, 0, 0, rest, this.carried, this.#meets) ?? 0;
    const known = this.carried !== undefined && until > this.#start;
    const met = known ? this.#met / microsPerSecond : null;
    this.#met = 0;
    this.#start = end;
    this.#at = end;
    return met;
  }
}

const noTimes = new Float64Array(0);
