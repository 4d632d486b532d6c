import { Problem } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import { chunkPoints, chunksOf, type NewChunk } from "../compactor.ts";
import { copyPage, emptyPage, firstTime, lastTime, mergePages, sliceIndexes } from "../pages.ts";
import type { PointPage, TimeRange } from "../types.ts";
import type { EditPoints } from "./edit-chunks.ts";
import type { EditOperation, Neighbours } from "./edit-operation.ts";
import { type EditTotals, RunningTotals } from "./edit-totals.ts";

/** Takes the chunks of one side of an edit, in order. */
export type ChunkSink = (chunks: readonly NewChunk[]) => Promise<void>;

/** Chunks that are encoded and written at a time. */
const chunksAtOnce = 32;

/** The points of a range on one side of an edit: added up, and handed on in chunks, so that none is kept. */
export class EditSide {
  readonly #totals = new RunningTotals();
  readonly #sink: ChunkSink | undefined;
  readonly #maxPoints: number;
  #open: PointPage = emptyPage;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  /** @param sink none: the points are only added up */
  constructor(maxPoints: number, sink?: ChunkSink) {
    this.#maxPoints = maxPoints;
    this.#sink = sink;
  }

  /** @throws Problem `too-large` */
  async add(page: PointPage): Promise<void> {
    if (page.times.length === 0) return;
    this.#totals.add(page);
    this.#first = Math.min(this.#first, firstTime(page));
    this.#last = Math.max(this.#last, lastTime(page));
    if (this.#totals.count > this.#maxPoints)
      throw new Problem("too-large", {
        detail: `One edit changes ${this.#maxPoints} points at most; edit the range in parts.`,
      });
    if (!this.#sink) return;
    this.#open = mergePages(this.#open, page);
    if (this.#open.times.length < chunksAtOnce * chunkPoints) return;
    const whole = this.#open.times.length - (this.#open.times.length % chunkPoints);
    await this.#sink(chunksOf(sliceIndexes(this.#open, 0, whole)));
    this.#open = copyPage(sliceIndexes(this.#open, whole, this.#open.times.length));
  }

  async end(): Promise<void> {
    if (this.#sink && this.#open.times.length > 0) await this.#sink(chunksOf(this.#open));
    this.#open = emptyPage;
  }

  get count(): number {
    return this.#totals.count;
  }

  /** The times of the first and of the last point. */
  get span(): { readonly first: Micros; readonly last: Micros } {
    return { first: this.#first, last: this.#last };
  }

  totals(neighbours: Neighbours): EditTotals {
    return this.#totals.totals(neighbours);
  }
}

/** All that an edit is going to do. */
export interface EditPlan {
  readonly operation: EditOperation;
  readonly range: TimeRange;
  /** Where nothing may change between the plan and its commit: the range, and what else the result depends on. */
  readonly basis: TimeRange;
  readonly before: EditSide;
  readonly after: EditSide;
  readonly neighbours: Neighbours;
  /** Whose chunks it uses; undefined: its own, which the sides handed on. */
  readonly points: EditPoints | undefined;
}
