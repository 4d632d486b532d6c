import type { Micros } from "../time.ts";
import { cellsOfTimes, clip, cutCells, subtract, unite } from "./buckets/cell-ranges.ts";
import { ceilTo, floorTo, quarterHour } from "./buckets/cells.ts";
import type { TailCells } from "./buckets/spans.ts";
import { lowerBound } from "./pages.ts";
import type { StreamTail } from "./stream-tail.ts";
import type { TimeRange } from "./types.ts";

/** What the layers have in the range, in whole quarter hours. */
export function cellsOfTail(layers: readonly StreamTail[], { from, to }: TimeRange): TailCells {
  if (layers.length === 0) return { touched: [], removed: [] };
  const range = { from: floorTo(quarterHour, from), to: ceilTo(quarterHour, to) };
  const deleted = clip(unite(layers.flatMap((layer) => layer.deleted)), range);
  const touched = unite([
    ...layers.flatMap((layer) => {
      const { times } = layer.page();
      return cellsOfTimes(times, lowerBound(times, range.from), lowerBound(times, range.to));
    }),
    ...layers.flatMap((layer) => layer.deleted.flatMap(cutCells)),
    ...clip(
      layers.flatMap(({ placed }) => (placed ? [cellsBetween(placed.first, placed.last)] : [])),
      range,
    ),
  ]);
  return { touched, removed: subtract(deleted, touched) };
}

const cellsBetween = (first: Micros, last: Micros): TimeRange => ({
  from: floorTo(quarterHour, first),
  to: ceilTo(quarterHour, last + 1),
});

/** A part of a range, and whether the chunks alone say what is in it. */
export interface RangePart extends TimeRange {
  readonly source: "chunks" | "tail";
}

/** The range without what the layers have removed, ascending. */
export function partsOf(layers: readonly StreamTail[], range: TimeRange): readonly RangePart[] {
  if (layers.length === 0) return [{ ...range, source: "chunks" }];
  const { touched, removed } = cellsOfTail(layers, range);
  const tail = clip(touched, range);
  return [
    ...tail.map((part): RangePart => ({ ...part, source: "tail" })),
    ...subtract([range], unite([...tail, ...removed])).map(
      (part): RangePart => ({ ...part, source: "chunks" }),
    ),
  ].sort((a, b) => a.from - b.from);
}
