import type { Micros } from "../time.ts";
import { copyPage, emptyPage, lowerBound, mergePages, sliceIndexes, withoutRanges } from "./pages.ts";
import type { StreamTail } from "./stream-tail.ts";
import type { PointPage } from "./types.ts";

/**
 * Lays the layers of the tail, the older first, over the points of the chunks in [from, to): deletions take away from
 * what is below, points win over it. The result is the caller's own.
 * @param placed the points in [from, to) that an edit has put below the layer
 */
export function overlay(
  chunks: PointPage,
  layers: readonly StreamTail[],
  from: Micros,
  to: Micros,
  placed?: (layer: StreamTail) => PointPage,
): PointPage {
  let page = chunks;
  let view: PointPage | undefined;
  for (const layer of layers) {
    const all = layer.page();
    const slice = sliceIndexes(all, lowerBound(all.times, from), lowerBound(all.times, to));
    if (layer.placed && placed) page = mergePages(page, placed(layer));
    const merged = mergePages(withoutRanges(page, layer.deleted), slice);
    if (merged === slice && slice !== emptyPage) view = slice;
    page = merged;
  }
  return page === view ? copyPage(page) : page;
}

/** Where [from, …) must end so that no layer has more than `limit` points in it. */
export function boundedEnd(layers: readonly StreamTail[], from: Micros, to: Micros, limit: number): Micros {
  let end = to;
  for (const layer of layers) {
    const { times } = layer.page();
    const beyond = times[lowerBound(times, from) + limit];
    if (beyond !== undefined && beyond < end) end = beyond;
  }
  return end;
}
