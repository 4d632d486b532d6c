import type { Micros } from "../time.ts";
import type { Ranges } from "./ranges.ts";
import type { PointPage, PointValue } from "./types.ts";

export const emptyPage: PointPage = { times: new Float64Array(0), values: new Float64Array(0) };

/** The first index whose time is not before `time`. */
export function lowerBound(times: Float64Array, time: Micros, length = times.length): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const firstTime = (page: PointPage): Micros => page.times[0] ?? Number.POSITIVE_INFINITY;
export const lastTime = (page: PointPage): Micros =>
  page.times[page.times.length - 1] ?? Number.NEGATIVE_INFINITY;

/** The value at an index inside the page. */
export const valueAt = (page: PointPage, index: number): PointValue =>
  page.texts?.get(index) ?? (page.values[index] as number);

/** The entries [low, high), as a view of the page's columns. */
export function sliceIndexes(page: PointPage, low: number, high: number): PointPage {
  if (low === 0 && high === page.times.length) return page;
  if (low >= high) return emptyPage;
  const slice = { times: page.times.subarray(low, high), values: page.values.subarray(low, high) };
  if (!page.texts) return slice;
  const texts = new Map<number, string>();
  for (const [index, text] of page.texts) if (index >= low && index < high) texts.set(index - low, text);
  return texts.size > 0 ? { ...slice, texts } : slice;
}

/** The points of [from, to), as a view. */
export const sliceTimes = (page: PointPage, from: Micros, to: Micros): PointPage =>
  sliceIndexes(page, lowerBound(page.times, from), lowerBound(page.times, to));

/** Columns of one's own: for handing out what may still be written to. */
export const copyPage = (page: PointPage): PointPage => ({
  times: page.times.slice(),
  values: page.values.slice(),
  ...(page.texts ? { texts: new Map(page.texts) } : {}),
});

/** Collects points in ascending order into a page of at most `capacity` points. */
class PageBuilder {
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  #texts: Map<number, string> | undefined;
  #length = 0;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  add(page: PointPage, index: number): void {
    const at = this.#length++;
    this.#times[at] = page.times[index] as number;
    this.#values[at] = page.values[index] as number;
    const text = page.texts?.get(index);
    if (text !== undefined) {
      this.#texts ??= new Map();
      this.#texts.set(at, text);
    }
  }

  addFrom(page: PointPage, low: number, high: number): void {
    if (page.texts) {
      for (let i = low; i < high; i++) this.add(page, i);
      return;
    }
    this.#times.set(page.times.subarray(low, high), this.#length);
    this.#values.set(page.values.subarray(low, high), this.#length);
    this.#length += high - low;
  }

  page(): PointPage {
    const columns = {
      times: this.#times.subarray(0, this.#length),
      values: this.#values.subarray(0, this.#length),
    };
    return this.#texts ? { ...columns, texts: this.#texts } : columns;
  }
}

/** Both pages as one; where a time is in both, the newer's point wins. */
export function mergePages(older: PointPage, newer: PointPage): PointPage {
  if (newer.times.length === 0) return older;
  if (older.times.length === 0) return newer;
  const builder = new PageBuilder(older.times.length + newer.times.length);
  // Nothing but the stretch where the two overlap is walked point by point.
  let i = lowerBound(older.times, firstTime(newer));
  builder.addFrom(older, 0, i);
  let j = 0;
  while (i < older.times.length && j < newer.times.length) {
    const left = older.times[i] as number;
    const right = newer.times[j] as number;
    if (left < right) builder.add(older, i++);
    else {
      builder.add(newer, j++);
      if (left === right) i++;
    }
  }
  builder.addFrom(older, i, older.times.length);
  builder.addFrom(newer, j, newer.times.length);
  return builder.page();
}

/** The page without the points that lie in the ranges. */
export function withoutRanges(page: PointPage, ranges: Ranges): PointPage {
  const touched = ranges.filter((range) => range.from <= lastTime(page) && range.to > firstTime(page));
  if (touched.length === 0 || page.times.length === 0) return page;
  const builder = new PageBuilder(page.times.length);
  let at = 0;
  for (const { from, to } of touched) {
    builder.addFrom(page, at, Math.max(at, lowerBound(page.times, from)));
    at = Math.max(at, lowerBound(page.times, to));
  }
  builder.addFrom(page, at, page.times.length);
  return builder.page();
}
