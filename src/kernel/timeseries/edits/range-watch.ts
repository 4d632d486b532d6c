import type { LogListener } from "../log-notice.ts";
import type { Stream, TimeRange } from "../types.ts";

const overlaps = (a: TimeRange, b: TimeRange): boolean => a.from < b.to && a.to > b.from;

/** Sees whether anything comes into a range of a stream, from when it is made to its end. */
export class RangeWatch implements Disposable {
  readonly #stream: Stream;
  readonly #end: () => void;
  #range: TimeRange | undefined;
  /** What came before it was known what matters; of each append all from its first to its last point. */
  #early: TimeRange[] = [];
  #changed = false;

  constructor(stream: Stream, follow: (listener: LogListener) => () => void) {
    this.#stream = stream;
    this.#end = follow((notice) => {
      if (notice.kind === "missed") this.#changed ||= notice.bucket === stream.bucket;
      else if (notice.kind === "points") this.#takePoints(notice);
      else if (notice.stream === stream.id)
        this.#take(notice.kind === "dropStream" ? { from: -Infinity, to: Infinity } : notice.range);
    });
  }

  get changed(): boolean {
    return this.#changed;
  }

  /** From now on only this range matters; what came before counts by the same. */
  narrow(range: TimeRange): void {
    this.#range = range;
    this.#changed ||= this.#early.some((early) => overlaps(early, range));
    this.#early = [];
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #takePoints({ count, streams, times }: Extract<Parameters<LogListener>[0], { kind: "points" }>): void {
    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      if (streams[i] !== this.#stream.id) continue;
      const time = times[i] as number;
      if (this.#range) this.#take({ from: time, to: time + 1 });
      first = Math.min(first, time);
      last = Math.max(last, time);
    }
    if (!this.#range && first <= last) this.#take({ from: first, to: last + 1 });
  }

  #take(range: TimeRange): void {
    if (this.#range) this.#changed ||= overlaps(range, this.#range);
    else this.#early.push(range);
  }
}
