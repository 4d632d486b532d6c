import type { Micros } from "../time.ts";
import type { PlaceChunksOperation } from "./codec/log-batch.ts";
import { emptyPage, mergePages } from "./pages.ts";
import { addRange, covers, type Ranges } from "./ranges.ts";
import { sortByTime } from "./sort.ts";
import type { PointPage, PointValue, StreamId, TimeRange } from "./types.ts";

/** What a stream takes beside its points, measured: its columns are objects of their own. */
export const tailOverhead = 640;

/** Streams of which a point comes now and then are many: so small an array lies in the heap itself. */
const firstCapacity = 4;
/** What was expected may not come. */
const largestFirstCapacity = 16_384;

type Column = Float64Array<ArrayBuffer>;

/** A deletion and how many points had arrived before it. */
interface Deletion extends TimeRange {
  readonly at: number;
}

interface Ordered {
  /** How many arrivals and deletions went in. */
  readonly length: number;
  readonly deletions: number;
  readonly page: PointPage;
}

/** Points that are kept in chunks of an edit; their range is empty in all that is older. */
export type PlacedChunks = Omit<PlaceChunksOperation, "kind">;

/** What one generation of the tail knows of one stream: its points in order of arrival, and what was deleted when. */
export class StreamTail {
  readonly id: StreamId;
  #times: Column;
  #values: Column;
  #texts: Map<number, string> | undefined;
  #length = 0;
  /** Times strictly ascend and nothing was deleted: the columns are what a read wants. */
  #simple = true;
  #deletions: Deletion[] = [];
  #deleted: Ranges = [];
  #ordered: Ordered | undefined;
  #maxTime = Number.NEGATIVE_INFINITY;
  /** The newest arrival at `maxTime`; -1 when that was deleted. */
  #maxIndex = -1;
  /** The stream is gone: what still arrives is dropped. */
  #closed: boolean;
  #edited = false;
  /** What an edit has put between this and all that is older. */
  readonly placed: PlacedChunks | undefined;
  /** What came before that. */
  readonly older: StreamTail | undefined;
  #released = false;

  /** @param expected how many points will probably come */
  constructor(
    id: StreamId,
    closed: boolean,
    expected: number,
    base: { readonly placed: PlacedChunks; readonly older: StreamTail } | undefined,
  ) {
    this.id = id;
    this.placed = base?.placed;
    this.older = base?.older;
    this.#closed = closed;
    const capacity = closed ? 0 : Math.min(Math.max(expected, firstCapacity), largestFirstCapacity);
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  /** Whether an edit has put chunks under it, or over it. */
  get isEdited(): boolean {
    return this.#edited || this.placed !== undefined;
  }

  /** Something is put over it: what comes is a layer of its own. */
  cover(): void {
    this.#edited = true;
  }

  get length(): number {
    return this.#length;
  }

  /** The greatest time that arrived, deleted or not. */
  get maxTime(): Micros {
    return this.#maxTime;
  }

  /** What to take away from all that is older than this tail. */
  get deleted(): Ranges {
    return this.#deleted;
  }

  get closed(): boolean {
    return this.#closed;
  }

  push(time: Micros, value: number): void {
    const at = this.#length;
    if (time > this.#maxTime) {
      this.#maxTime = time;
      this.#maxIndex = at;
    } else if (time === this.#maxTime && this.#simple) {
      this.#values[at - 1] = value;
      this.#texts?.delete(at - 1);
      return;
    } else {
      this.#simple = false;
      if (time === this.#maxTime) this.#maxIndex = at;
    }
    if (at === this.#times.length) this.#grow();
    this.#times[at] = time;
    this.#values[at] = value;
    this.#length = at + 1;
  }

  pushText(time: Micros, text: string): void {
    this.push(time, Number.NaN);
    this.#texts ??= new Map();
    this.#texts.set(this.#length - 1, text);
  }

  delete(range: TimeRange): void {
    this.#simple = false;
    this.#deletions.push({ from: range.from, to: range.to, at: this.#length });
    this.#deleted = addRange(this.#deleted, range);
    if (this.#maxTime >= range.from && this.#maxTime < range.to) this.#maxIndex = -1;
  }

  /** Deletes everything; what arrives after is dropped. */
  close(range: TimeRange): void {
    this.delete(range);
    this.#closed = true;
  }

  /** The point at `maxTime`; undefined when it was deleted. */
  newest(): PointValue | undefined {
    if (this.#maxIndex < 0) return undefined;
    return this.#texts?.get(this.#maxIndex) ?? this.#values[this.#maxIndex];
  }

  /**
   * Points ascending, each time once. A view, for the current turn of the event loop only: the next arrival may change
   * it or take its memory away.
   */
  page(): PointPage {
    if (this.#released) throw new Error(`The tail of stream ${this.id} was read after it had been released.`);
    if (this.#length === 0) return emptyPage;
    if (this.#simple) return this.#view();
    const known = this.#ordered;
    if (known?.length === this.#length && known.deletions === this.#deletions.length) return known.page;
    const page =
      known?.deletions === this.#deletions.length
        ? mergePages(known.page, this.#order(known.length))
        : this.#order(0);
    this.#ordered = { length: this.#length, deletions: this.#deletions.length, page };
    return page;
  }

  #view(): PointPage {
    const columns = {
      times: this.#times.subarray(0, this.#length),
      values: this.#values.subarray(0, this.#length),
    };
    return this.#texts && this.#texts.size > 0 ? { ...columns, texts: this.#texts } : columns;
  }

  /** Orders what arrived from index `start` on. */
  #order(start: number): PointPage {
    const order = sortByTime(this.#surviving(start), this.#times);
    const times = new Float64Array(order.length);
    const values = new Float64Array(order.length);
    const texts = new Map<number, string>();
    let count = 0;
    for (const index of order) {
      const time = this.#times[index] as number;
      // Equal times stand in order of arrival: the later one takes the place of the earlier.
      if (count > 0 && times[count - 1] === time) count--;
      times[count] = time;
      values[count] = this.#values[index] as number;
      const text = this.#texts?.get(index);
      if (text === undefined) texts.delete(count);
      else texts.set(count, text);
      count++;
    }
    const columns = { times: times.subarray(0, count), values: values.subarray(0, count) };
    return texts.size > 0 ? { ...columns, texts } : columns;
  }

  /** The arrivals from `start` on that no later deletion took away. */
  #surviving(start: number): Int32Array {
    const kept = new Int32Array(this.#length - start);
    let count = 0;
    let later: Ranges = [];
    let deletion = this.#deletions.length - 1;
    for (let i = this.#length - 1; i >= start; i--) {
      for (; deletion >= 0 && (this.#deletions[deletion] as Deletion).at > i; deletion--)
        later = addRange(later, this.#deletions[deletion] as Deletion);
      if (later.length === 0 || !covers(later, this.#times[i] as number)) kept[count++] = i;
    }
    return kept.subarray(0, count).reverse();
  }

  /** Frees the columns; its points may not be read any more. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    free(this.#times);
    free(this.#values);
    this.#texts = undefined;
    this.#ordered = undefined;
  }

  #grow(): void {
    const capacity = Math.max(firstCapacity, this.#times.length * 2);
    this.#times = grown(this.#times, capacity);
    this.#values = grown(this.#values, capacity);
  }
}

const grown = (source: Column, capacity: number): Column => {
  const target = new Float64Array(capacity);
  target.set(source);
  free(source);
  return target;
};

/** Gives the memory back at once: the collector would let 64 MB of columns pile up. Nobody may look at it afterwards. */
function free(column: Column): void {
  // Small ones lie in the heap itself.
  if (column.length > firstCapacity) column.buffer.transfer(0);
}
