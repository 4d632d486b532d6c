import type { Micros } from "../time.ts";
import { cellsOfTimes, clip, cutCells, unite } from "./buckets/cell-ranges.ts";
import { CellSummaries } from "./buckets/cell-summaries.ts";
import {
  type CellWidth,
  ceilTo,
  cellWidths,
  floorTo,
  quarterHour,
  storable,
  stretchOf,
  utcDay,
} from "./buckets/cells.ts";
import { decodeRollups, encodeRollups } from "./buckets/rollup-codec.ts";
import { dayRollups } from "./buckets/rollup-days.ts";
import { mergeRollups } from "./buckets/rollup-merge.ts";
import type { RollupPage } from "./buckets/rollup-page.ts";
import { decodeChunk } from "./codec/chunk.ts";
import type { StreamChanges } from "./compactor.ts";
import { emptyPage, mergePages, sliceTimes, withoutRanges } from "./pages.ts";
import { covers, type Ranges } from "./ranges.ts";
import type { ChunkRow, RollupRow, Sometimes } from "./storage.ts";
import type { PointPage, StreamId, TimeRange } from "./types.ts";

export interface RollupSource {
  chunks(stream: StreamId, from: Micros, to: Micros, limit: number): Sometimes<readonly ChunkRow[]>;
  /** The rows whose stretch begins in [from, to), ascending. */
  rollups(stream: StreamId, width: CellWidth, from: Micros, to: Micros): Sometimes<readonly RollupRow[]>;
}

/** What is to be done to the rollups of a stream. */
export type RollupEdit =
  /** Removes the stretches that begin in [from, to). */
  | { readonly kind: "clear"; readonly width: CellWidth; readonly from: Micros; readonly to: Micros }
  | { readonly kind: "remove"; readonly width: CellWidth; readonly startTime: Micros }
  | {
      readonly kind: "write";
      readonly width: CellWidth;
      readonly startTime: Micros;
      readonly blob: Uint8Array;
    };

const chunksAtOnce = 4;
const quarters = stretchOf(quarterHour);
const days = stretchOf(utcDay);

/**
 * Makes anew the rollups of the cells that the changes touch, from the chunks' points with the changes laid over them:
 * whether the chunks have the changes already makes no difference, so that a compaction that was cut off is repeated.
 */
export class RollupCompaction {
  readonly stream: StreamId;
  readonly #changes: StreamChanges;
  readonly #source: RollupSource;
  readonly #touched: Ranges;
  #decoded: { readonly startTime: Micros; readonly page: PointPage } | undefined;
  #corrupt = 0;

  /** @param rewritten where the chunks themselves have changed */
  constructor(
    stream: StreamId,
    changes: StreamChanges,
    source: RollupSource,
    rewritten: readonly TimeRange[] = [],
  ) {
    this.stream = stream;
    this.#changes = changes;
    this.#source = source;
    const { times } = changes.points;
    this.#touched = unite([
      ...cellsOfTimes(times, 0, times.length),
      ...changes.deleted.flatMap(cutCells),
      ...rewritten,
    ]);
  }

  /** Pages that could not be decoded, and were made anew. */
  get corrupt(): number {
    return this.#corrupt;
  }

  async *edits(): AsyncGenerator<readonly RollupEdit[]> {
    const { deleted } = this.#changes;
    const inside = cellWidths.flatMap((width) => deleted.flatMap((range) => clearedBy(range, width)));
    if (inside.length > 0) yield inside;
    const ends = deleted.flatMap(({ from, to }) => [
      { from, to: from + 1 },
      { from: to - 1, to },
    ]);
    const affected = stretchesOf([...this.#touched, ...ends], quarters);
    for (const start of startsOf(stretchesOf(affected, days), days))
      yield await this.#days({ from: start, to: start + days }, affected);
  }

  /** The pages of a stretch of days, and of the stretches of quarter hours in it. */
  async #days(stretch: TimeRange, affected: Ranges): Promise<readonly RollupEdit[]> {
    const edits: RollupEdit[] = [];
    const old = await this.#page(utcDay, stretch.from);
    const anew = old === "corrupt" ? [stretch] : clip(affected, stretch);
    const parts: RollupPage[] = [];
    for (const start of startsOf(anew, quarters)) {
      const page = await this.#quarters({ from: start, to: start + quarters }, edits);
      if (page !== undefined) parts.push(page);
    }
    const keep = (start: Micros): boolean => !covers(anew, start) && !covers(this.#changes.deleted, start);
    const kept = old === "corrupt" ? undefined : old;
    this.#edit(utcDay, stretch.from, mergeRollups(kept, dayRollups(parts), keep), old !== undefined, edits);
    return edits;
  }

  async #quarters(stretch: TimeRange, edits: RollupEdit[]): Promise<RollupPage | undefined> {
    const old = await this.#page(quarterHour, stretch.from);
    const anew = old === "corrupt" ? [stretch] : clip(this.#touched, stretch);
    const summaries = new CellSummaries();
    for (const range of anew) await this.#summarize(range, summaries);
    const keep = (start: Micros): boolean => !covers(anew, start) && !covers(this.#changes.deleted, start);
    const page = mergeRollups(old === "corrupt" ? undefined : old, summaries.page(), keep);
    this.#edit(quarterHour, stretch.from, page, old !== undefined, edits);
    return page;
  }

  #edit(
    width: CellWidth,
    start: Micros,
    page: RollupPage | undefined,
    existed: boolean,
    edits: RollupEdit[],
  ): void {
    const startTime = storable(start);
    if (page !== undefined) edits.push({ kind: "write", width, startTime, blob: encodeRollups(page) });
    else if (existed) edits.push({ kind: "remove", width, startTime });
  }

  async #page(width: CellWidth, start: Micros): Promise<RollupPage | "corrupt" | undefined> {
    const startTime = storable(start);
    const [row] = await this.#source.rollups(this.stream, width, startTime, startTime + 1);
    if (row === undefined) return undefined;
    try {
      return decodeRollups(row.blob);
    } catch {
      this.#corrupt++;
      return "corrupt";
    }
  }

  async #summarize(range: TimeRange, summaries: CellSummaries): Promise<void> {
    const { points, deleted } = this.#changes;
    for (let { from } = range; from < range.to; ) {
      const rows = await this.#source.chunks(this.stream, storable(from), range.to, chunksAtOnce);
      const last = rows.at(-1);
      const end = last && rows.length === chunksAtOnce ? Math.min(range.to, last.endTime + 1) : range.to;
      let page = emptyPage;
      for (const row of rows)
        if (row.startTime < end && row.endTime >= from)
          page = mergePages(page, sliceTimes(this.#decode(row), from, end));
      const { times, values } = points;
      page = mergePages(withoutRanges(page, deleted), sliceTimes({ times, values }, from, end));
      summaries.add(page.times, page.values);
      from = end;
    }
  }

  /** Neighbouring ranges often lie in the same chunk. Texts are not needed: NaN stands for them. */
  #decode({ startTime, blob }: ChunkRow): PointPage {
    if (this.#decoded?.startTime === startTime) return this.#decoded.page;
    let page = emptyPage;
    try {
      const { times, values } = decodeChunk(blob);
      page = { times, values };
    } catch {
      // The chunk is counted where it is read or rewritten.
    }
    this.#decoded = { startTime, page };
    return page;
  }
}

/** What lies in the range as a whole is removed without a look at it. */
const clearedBy = ({ from, to }: TimeRange, width: CellWidth): readonly RollupEdit[] => {
  const stretch = stretchOf(width);
  const first = storable(ceilTo(stretch, from));
  const end = floorTo(stretch, to);
  return first < end ? [{ kind: "clear", width, from: first, to: end }] : [];
};

const stretchesOf = (ranges: readonly TimeRange[], stretch: Micros): Ranges =>
  unite(ranges.map(({ from, to }) => ({ from: floorTo(stretch, from), to: ceilTo(stretch, to) })));

function* startsOf(ranges: Ranges, stretch: Micros): Generator<Micros> {
  for (const { from, to } of ranges) for (let start = from; start < to; start += stretch) yield start;
}
