import type { PointBatch } from "../timeseries/types.ts";
import { type Position, seqsText } from "./position.ts";

/** Points of one row of the log, in columns of their own. */
export interface LiveRow {
  readonly bucket: number;
  readonly seq: number;
  /** How many points of the same row came before these. */
  readonly offset: number;
  /** The newest row of each bucket before this one came, … */
  readonly before: readonly number[];
  /** … and then, as text. */
  readonly heads: string;
  readonly streams: Uint32Array;
  readonly times: Float64Array;
  /** NaN where `texts` holds the value. */
  readonly values: Float64Array;
  readonly texts?: ReadonlyMap<number, string>;
  readonly bytes: number;
}

/** What an entry costs besides its columns, roughly. */
const rowOverhead = 400;
/** Places of dropped rows that are given back at once. */
const compactAt = 1024;

/**
 * The newest rows of the log, in the order they came, in bounded memory. Everything that is pushed is taken from here,
 * and so is what a client has missed. Rows have running numbers, by which a reader finds where it was.
 */
export class RecentRows {
  readonly #maxBytes: number;
  #rows: (LiveRow | undefined)[] = [];
  /** Running number of `#rows[0]`. */
  #base = 0;
  /** Index of the oldest row that is still there. */
  #first = 0;
  #bytes = 0;
  readonly #heads: number[] = [];
  /** How many points of the newest row of each bucket have come. */
  readonly #counts: number[] = [];
  /** The heads before the newest row came. */
  #before: readonly number[] = [];
  /** Per bucket: this row and those before it are not all here. */
  readonly #floors: number[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The newest row of each bucket. */
  get heads(): readonly number[] {
    return this.#heads;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Running number of the oldest row. */
  get begin(): number {
    return this.#base + this.#first;
  }

  /** Running number of the row that comes next. */
  get end(): number {
    return this.#base + this.#rows.length;
  }

  /** Undefined for one that has been dropped. */
  at(number: number): LiveRow | undefined {
    return this.#rows[number - this.#base];
  }

  /** The bucket has come as far as `seq`; what is before that is not here. */
  skipTo(bucket: number, seq: number): void {
    if (seq > (this.#heads[bucket] ?? 0)) this.#counts[bucket] = 0;
    this.#heads[bucket] = Math.max(seq, this.#heads[bucket] ?? 0);
    this.#floors[bucket] = this.#heads[bucket] ?? seq;
  }

  /** The bucket has come as far as `seq`, by a row that may hold no points. */
  advance(bucket: number, seq: number): void {
    if (seq <= (this.#heads[bucket] ?? 0)) return;
    this.#before = [...this.#heads];
    this.#heads[bucket] = seq;
    this.#counts[bucket] = 0;
  }

  /** Copies points of the newest row of the bucket. */
  add(bucket: number, batch: PointBatch): void {
    if (batch.count === 0) return;
    const offset = this.#counts[bucket] ?? 0;
    this.#counts[bucket] = offset + batch.count;
    const bytes = rowOverhead + batch.count * 20 + sizeOf(batch.texts);
    const row: LiveRow = {
      bucket,
      seq: this.#heads[bucket] ?? 0,
      offset,
      before: this.#before,
      heads: seqsText(this.#heads),
      streams: copied(new Uint32Array(batch.count), batch.streams),
      times: copied(new Float64Array(batch.count), batch.times),
      values: copied(new Float64Array(batch.count), batch.values),
      ...(batch.texts && batch.texts.size > 0 ? { texts: new Map(batch.texts) } : {}),
      bytes,
    };
    this.#rows.push(row);
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes && this.#first < this.#rows.length) this.#dropOldest();
  }

  /** Nothing before the present is kept any more. */
  clear(): void {
    while (this.#first < this.#rows.length) this.#dropOldest();
    for (const [bucket, seq] of this.#heads.entries()) this.#floors[bucket] = seq;
  }

  /** Whether everything that came after the position is here. */
  covers({ seqs, within }: Position): boolean {
    return this.#floors.every((floor, bucket) => {
      const seq = seqs[bucket] ?? 0;
      return (within?.bucket === bucket ? seq - 1 : seq) >= floor;
    });
  }

  #dropOldest(): void {
    const row = this.#rows[this.#first];
    this.#rows[this.#first] = undefined;
    this.#first += 1;
    if (row) {
      this.#bytes -= row.bytes;
      this.#floors[row.bucket] = Math.max(row.seq, this.#floors[row.bucket] ?? 0);
    }
    if (this.#first < compactAt || this.#first < this.#rows.length / 2) return;
    this.#rows = this.#rows.slice(this.#first);
    this.#base += this.#first;
    this.#first = 0;
  }
}

function copied<T extends Uint32Array | Float64Array>(target: T, source: ArrayLike<number>): T {
  const { length } = target;
  if (source instanceof Uint32Array || source instanceof Float64Array)
    target.set(source.length === length ? source : source.subarray(0, length));
  else for (let i = 0; i < length; i++) target[i] = source[i] as number;
  return target;
}

function sizeOf(texts: ReadonlyMap<number, string> | undefined): number {
  let bytes = 0;
  for (const text of texts?.values() ?? []) bytes += 100 + 2 * text.length;
  return bytes;
}
