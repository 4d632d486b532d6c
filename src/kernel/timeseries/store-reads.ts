import type { Log } from "../observe/log.ts";
import type { Clock, Micros } from "../time.ts";
import { BucketReader } from "./bucket-reader.ts";
import type { BucketQuery, BucketTable } from "./buckets/query.ts";
import type { Catalogue } from "./catalogue.ts";
import { checkKey, checkRange } from "./checks.ts";
import type { Generation } from "./generation.ts";
import { HighWater } from "./high-water.ts";
import type { Horizons } from "./horizons.ts";
import { Latest } from "./latest.ts";
import { Reader } from "./reader.ts";
import { RollupPages } from "./rollup-pages.ts";
import type { Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";
import type { Point, PointPage, StreamId, TimeRange } from "./types.ts";

export interface ReadOptions {
  /** Decoded rollups that are kept. */
  readonly rollupCacheBytes: number;
  /** How many values a table of a bucketed read may have. */
  readonly tableValues: number;
}

export interface ReadParts {
  readonly storage: Storage;
  readonly tail: Tail;
  readonly catalogue: Catalogue;
  readonly horizons: Horizons;
  readonly log: Log;
  readonly clock: Clock;
  /** Present where other nodes write as well: makes what any of them has acknowledged visible. */
  readonly refresh: (() => Promise<void>) | undefined;
}

/** Everything that reads: the tail laid over chunks and rollups, without what has expired. */
export class StoreReads {
  readonly reader: Reader;
  readonly latest: Latest;
  readonly buckets: BucketReader;
  readonly #parts: ReadParts;
  readonly #highWater: HighWater;
  readonly #rollups: RollupPages;

  constructor(parts: ReadParts, options: ReadOptions) {
    const { storage, tail, catalogue, horizons, log, clock } = parts;
    this.#parts = parts;
    this.reader = new Reader(storage, tail, log);
    this.#highWater = new HighWater(tail, (stream) => storage.mark(stream));
    this.latest = new Latest(tail, this.reader, this.#highWater, clock);
    this.#rollups = new RollupPages(storage, tail, log, options.rollupCacheBytes);
    const sources = {
      reader: this.reader,
      pages: this.#rollups,
      tail,
      highWater: this.#highWater,
      clock,
      prepare: (streams: readonly StreamId[]) => catalogue.prepare(streams),
      firstKept: async (stream: StreamId) =>
        (await catalogue.mode(stream)) === "history" ? undefined : this.#firstKept(stream),
      horizon: (stream: StreamId) => horizons.of(stream),
      lastRolledUp: (stream: StreamId, before: Micros) => this.#rollups.lastNumber(stream, before),
    };
    this.buckets = new BucketReader(sources, options.tableValues);
  }

  /** Rows that could not be decoded. */
  get corrupt(): number {
    return this.reader.corrupt + this.#rollups.corrupt;
  }

  async latestOf(streams: readonly StreamId[]): Promise<readonly (Point | undefined)[]> {
    const { refresh, horizons } = this.#parts;
    if (refresh) await refresh();
    const points = await this.latest.of(streams);
    if (!horizons.any) return points;
    // Deleting the newest may lead back to one that has expired but is not purged yet.
    return points.map((point, i) => (point && point.time < horizons.of(streams[i] ?? 0) ? undefined : point));
  }

  highWater(stream: StreamId): Micros {
    return this.#highWater.of(stream);
  }

  async find(stream: StreamId, time: Micros): Promise<Point | undefined> {
    const { catalogue, horizons } = this.#parts;
    checkKey(stream, time);
    if (time < horizons.of(stream)) return undefined;
    if ((await catalogue.mode(stream)) === "history") return this.reader.find(stream, time);
    const from = await this.#firstKept(stream);
    return time < from ? undefined : this.reader.find(stream, time);
  }

  async *read(stream: StreamId, range: TimeRange): AsyncGenerator<PointPage> {
    const { catalogue, horizons } = this.#parts;
    checkRange(stream, range);
    const kept =
      (await catalogue.mode(stream)) === "history"
        ? { from: Math.max(range.from, horizons.of(stream)), to: range.to }
        : { from: Math.max(range.from, await this.#firstKept(stream)), to: range.to };
    yield* this.reader.read(stream, kept);
  }

  async *readBuckets(query: BucketQuery): AsyncGenerator<BucketTable> {
    const { refresh } = this.#parts;
    // Rollups that are kept in memory would otherwise answer without asking the database at all.
    if (refresh) await refresh();
    yield* this.buckets.read(query);
  }

  /** The generation has become chunks. */
  compacted(generation: Generation): void {
    this.#highWater.fold(generation);
    this.latest.forget(generation);
    this.#rollups.forget(generation);
  }

  /** What was known of chunks counts no more. */
  restarted(): void {
    this.#highWater.clear();
    this.latest.clear();
    this.#rollups.clear();
  }

  /** A stream that keeps only its newest point shows none before it; those of the future stay. */
  async #firstKept(stream: StreamId): Promise<Micros> {
    const [newest] = await this.latestOf([stream]);
    return newest?.time ?? Number.MIN_SAFE_INTEGER;
  }
}
