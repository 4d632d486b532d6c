import { Problem } from "../errors.ts";
import type { Clock, Micros } from "../time.ts";
import { BucketColumns } from "./buckets/bucket-columns.ts";
import { clip } from "./buckets/cell-ranges.ts";
import { type CellWidth, floorTo, quarterHour, stretchOf, utcDay } from "./buckets/cells.ts";
import type { Fill } from "./buckets/fill.ts";
import { firstKnown, GapFiller, type Known } from "./buckets/gap-filler.ts";
import type { BucketFigure } from "./buckets/query.ts";
import { pointSpans, type Span, spansOf } from "./buckets/spans.ts";
import { afterNone, noFigures } from "./expired-buckets.ts";
import type { HighWater } from "./high-water.ts";
import { lowerBound } from "./pages.ts";
import type { Reader } from "./reader.ts";
import type { RollupPages } from "./rollup-pages.ts";
import type { Tail } from "./tail.ts";
import { cellsOfTail } from "./tail-cells.ts";
import type { Turn } from "./turn.ts";
import { allTime, type StreamId, type TimeRange } from "./types.ts";

export interface BucketSources {
  readonly reader: Reader;
  readonly pages: RollupPages;
  readonly tail: Tail;
  readonly highWater: HighWater;
  readonly clock: Clock;
  /** Makes what is asked of many streams cost less. */
  prepare(streams: readonly StreamId[]): Promise<void>;
  /** Where the raw points begin; -Infinity for a stream that has all. */
  horizon(stream: StreamId): Micros;
  /** The last number before `before` that the rollups know. */
  lastRolledUp(stream: StreamId, before: Micros): Promise<number | undefined>;
  /** Undefined for a stream that keeps all its points, else the first that it keeps. */
  firstKept(stream: StreamId): Promise<Micros | undefined>;
}

/** What all streams of a query have in common. */
export interface BucketAxis {
  readonly edges: Float64Array;
  readonly figures: readonly BucketFigure[];
  readonly fill: Fill;
  /** How many buckets are computed at a time. */
  readonly step: number;
}

export interface Series {
  readonly stream: StreamId;
  /** Points before are not to be seen. */
  readonly kept: Micros | undefined;
  /** Until when the last value is known to hold. */
  readonly until: Micros;
  /** Where the points begin: before, there are rollups only. */
  readonly horizon: Micros;
  /** The first bucket that has figures: see expired-buckets.ts. */
  readonly start: number;
  /** The last number before that bucket. */
  readonly carried: number | undefined;
}

interface Figures {
  readonly columns: readonly Float64Array[];
  /** The last number before the buckets that follow. */
  readonly carried: number | undefined;
}

/** Pages that are read before others get their turn: half a millisecond of work. */
const stretchesAtOnce = 24;

/** One stream's figures, stretch after stretch of the axis. */
export class SeriesBuckets {
  readonly #sources: BucketSources;
  readonly #axis: BucketAxis;
  readonly #series: Series;
  readonly #turn: Turn;
  readonly #fillers: readonly GapFiller[];
  readonly #byPoints: boolean;
  #carried: number | undefined;

  constructor(sources: BucketSources, axis: BucketAxis, series: Series, turn: Turn) {
    this.#sources = sources;
    this.#axis = axis;
    this.#series = series;
    this.#turn = turn;
    this.#fillers = axis.figures.map(() => new GapFiller(axis.fill));
    this.#byPoints = series.kept !== undefined || axis.figures.some(({ kind }) => kind === "duration");
    this.#carried = series.carried;
  }

  /** The columns of the stretch that begins with bucket `at`; to be asked for in order. */
  async next(at: number): Promise<readonly Float64Array[]> {
    const edges = this.#edges(at);
    const { columns, carried } = await this.#figures(at, this.#carried);
    this.#carried = carried;
    if (this.#axis.fill === "null") return columns;
    const filled: Float64Array[] = [];
    for (const [i, column] of columns.entries())
      filled.push(
        await (this.#fillers[i] as GapFiller).next(edges, column, () => this.#ahead(at, carried, i)),
      );
    return filled;
  }

  #edges(at: number): Float64Array {
    return this.#axis.edges.subarray(at, at + this.#axis.step + 1);
  }

  /** The first figure of a column after the stretch at `at`. */
  async #ahead(at: number, carried: number | undefined, index: number): Promise<Known | undefined> {
    const { edges, step } = this.#axis;
    let before = carried;
    for (let next = at + step; next < edges.length - 1; next += step) {
      const part = this.#edges(next);
      const figures = await this.#figures(next, before);
      before = figures.carried;
      const found = firstKnown(part, figures.columns[index] as Float64Array);
      if (found) return found;
    }
    return undefined;
  }

  /** Of the stretch that begins with bucket `at`. */
  async #figures(at: number, carried: number | undefined): Promise<Figures> {
    const whole = this.#edges(at);
    const none = Math.min(Math.max(this.#series.start - at, 0), whole.length - 1);
    if (none === whole.length - 1) return { columns: noFigures(this.#axis.figures.length, none), carried };
    const figures = await this.#answered(whole.subarray(none), carried);
    return none === 0 ? figures : { ...figures, columns: afterNone(figures.columns, none) };
  }

  async #answered(edges: Float64Array, carried: number | undefined): Promise<Figures> {
    const target = new BucketColumns(edges, this.#axis.figures, carried, this.#series.until);
    for (const span of this.#spans(edges)) {
      if (span.source === "points") await this.#addPoints(target, span);
      else await this.#addRollups(target, span, span.source === "days" ? utcDay : quarterHour);
    }
    target.end();
    return { columns: target.columns, carried: target.carried };
  }

  #spans(edges: Float64Array): readonly Span[] {
    const { stream, kept, horizon } = this.#series;
    const range = { from: edges[0] as number, to: edges[edges.length - 1] as number };
    if (this.#byPoints) return pointSpans({ from: Math.max(range.from, kept ?? range.from), to: range.to });
    const { touched, removed } = cellsOfTail(this.#sources.tail.layers(stream), range);
    const live = { from: horizon, to: allTime.to };
    return spansOf(edges, { touched: clip(touched, live), removed: clip(removed, live) });
  }

  async #addPoints(target: BucketColumns, range: TimeRange): Promise<void> {
    const { stream, kept } = this.#series;
    await this.#sources.reader.scan(stream, range, this.#turn, target);
    // Part of them may have gone meanwhile: then the figures are not known any more, rather than too small.
    if (kept === undefined && range.from < this.#sources.horizon(stream))
      throw new Problem("store-busy", {
        detail: `Points of stream ${stream} have expired while they were read; ask again.`,
        headers: { "retry-after": "1" },
      });
  }

  async #addRollups(target: BucketColumns, { from, to }: TimeRange, width: CellWidth): Promise<void> {
    const { pages } = this.#sources;
    const window = stretchesAtOnce * stretchOf(width);
    for (let at = from; at < to; ) {
      const end = Math.min(to, floorTo(stretchOf(width), at) + window);
      const loading = pages.load(this.#series.stream, width, at, end);
      for (const stretch of loading instanceof Promise ? await loading : loading) {
        const part = { from: Math.max(at, stretch.from), to: Math.min(end, stretch.to) };
        if (stretch.page !== undefined) {
          const { starts } = stretch.page;
          target.addRows(stretch.page, lowerBound(starts, part.from), lowerBound(starts, part.to));
        } else if (width === utcDay) await this.#addRollups(target, part, quarterHour);
        else await this.#addPoints(target, part);
      }
      at = end;
      if (this.#turn.isOver) await this.#turn.next();
    }
  }
}
