import type { LogOperation, PointsOperation } from "./codec/log-batch.ts";
import type { PointBatch, PointValue, StreamId, TimeRange } from "./types.ts";

const firstCapacity = 1024;
/** Columns that grew beyond this are not kept for the next commit. */
const keptCapacity = 1 << 16;

const larger = (length: number, needed: number): number => Math.max(needed, length * 2);

/** Points of one log row in order of arrival: columns that are filled, written, and used again. */
class PointColumns implements PointsOperation {
  readonly kind = "points";
  count = 0;
  streams = new Uint32Array(firstCapacity);
  times = new Float64Array(firstCapacity);
  values = new Float64Array(firstCapacity);
  texts: Map<number, string> = new Map();

  add(stream: StreamId, time: number, value: PointValue): void {
    const at = this.count;
    if (at === this.times.length) this.#grow(at + 1);
    this.streams[at] = stream;
    this.times[at] = time;
    if (typeof value === "number") this.values[at] = value;
    else {
      this.values[at] = Number.NaN;
      this.texts.set(at, value);
    }
    this.count = at + 1;
  }

  addBatch(batch: PointBatch): void {
    const start = this.count;
    const end = start + batch.count;
    if (end > this.times.length) this.#grow(end);
    fill(this.streams, start, batch.streams, batch.count);
    fill(this.times, start, batch.times, batch.count);
    fill(this.values, start, batch.values, batch.count);
    if (batch.texts) for (const [index, text] of batch.texts) this.texts.set(start + index, text);
    this.count = end;
  }

  #grow(needed: number): void {
    const capacity = larger(this.times.length, needed);
    const { streams, times, values } = this;
    this.streams = new Uint32Array(capacity);
    this.streams.set(streams);
    this.times = new Float64Array(capacity);
    this.times.set(times);
    this.values = new Float64Array(capacity);
    this.values.set(values);
  }

  reset(): void {
    this.count = 0;
    if (this.texts.size > 0) this.texts = new Map();
  }
}

function fill(
  target: Float64Array | Uint32Array,
  at: number,
  source: ArrayLike<number>,
  count: number,
): void {
  if (source instanceof Float64Array || source instanceof Uint32Array) {
    target.set(source.length === count ? source : source.subarray(0, count), at);
    return;
  }
  for (let i = 0; i < count; i++) target[at + i] = source[i] as number;
}

const spare: PointColumns[] = [];

/** What one commit will write into the log of one bucket. */
export class PendingRow {
  readonly #operations: LogOperation[] = [];
  #columns: PointColumns | undefined;
  #points = 0;

  get points(): number {
    return this.#points;
  }

  get operations(): readonly LogOperation[] {
    return this.#operations;
  }

  add(stream: StreamId, time: number, value: PointValue): void {
    this.#points++;
    this.#open().add(stream, time, value);
  }

  addBatch(batch: PointBatch): void {
    this.#points += batch.count;
    this.#open().addBatch(batch);
  }

  deleteRange(stream: StreamId, range: TimeRange): void {
    this.#columns = undefined;
    this.#operations.push({ kind: "deleteRange", stream, range: { from: range.from, to: range.to } });
  }

  #open(): PointColumns {
    if (this.#columns) return this.#columns;
    const columns = spare.pop() ?? new PointColumns();
    this.#columns = columns;
    this.#operations.push(columns);
    return columns;
  }

  /** Gives its columns back; nobody may look at the operations afterwards. */
  recycle(): void {
    for (const operation of this.#operations)
      if (operation instanceof PointColumns && operation.times.length <= keptCapacity && spare.length < 4) {
        operation.reset();
        spare.push(operation);
      }
    this.#columns = undefined;
  }
}
