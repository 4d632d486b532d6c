import type { Database, Tx } from "../database/engine.ts";
import type { Log } from "../observe/log.ts";
import type { Clock, Micros } from "../time.ts";
import type { BucketQuery, BucketTable } from "./buckets/query.ts";
import type { Catalogue } from "./catalogue.ts";
import { Compaction, type CompactionOptions } from "./compaction.ts";
import type { StreamEdits } from "./edits/contract.ts";
import { type EditOptions, RangeEdits } from "./edits/stream-edits.ts";
import type { Horizons } from "./horizons.ts";
import { LogFollower, type TailEvents } from "./log-follower.ts";
import { LogListeners } from "./log-listeners.ts";
import type { LogListener, LogNews } from "./log-notice.ts";
import type { WatchOptions } from "./log-watch.ts";
import { Retention } from "./retention.ts";
import type { StreamRetention } from "./retention-contract.ts";
import { Serial } from "./serial.ts";
import type { Storage } from "./storage.ts";
import type { StoreStats, TimeSeries } from "./store.ts";
import { type ReadOptions, StoreReads } from "./store-reads.ts";
import { StoreWrites, type WriteOptions } from "./store-writes.ts";
import { Tail } from "./tail.ts";
import type { Point, PointBatch, PointPage, PointValue, StreamId, TimeRange } from "./types.ts";

export interface StoreOptions extends ReadOptions, WriteOptions {
  readonly compaction: CompactionOptions;
  readonly edits: EditOptions;
}

export interface StoreParts {
  readonly database: Database;
  readonly horizons: Horizons;
  readonly storage: Storage;
  readonly catalogue: Catalogue;
  readonly buckets: number;
  /** How many points per stream the log holds, roughly. */
  readonly expectedPoints: number;
  /** Whether other nodes write to the same database: reads then see what any of them has acknowledged. */
  readonly shared: boolean;
  /** Until other nodes have heard of what this one says in the heads of the log. */
  readonly noticeMillis: number;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * The store: a log, its tail in memory, and chunks; puts the parts together and keeps them going. What it does is
 * theirs: see StoreReads, StoreWrites, LogFollower, Compaction.
 */
export class LogStructuredStore implements TimeSeries {
  readonly streams: Catalogue;
  readonly retention: StreamRetention;
  readonly edits: StreamEdits;
  readonly #storage: Storage;
  readonly #horizons: Horizons;
  readonly #tail: Tail;
  readonly #listeners: LogListeners;
  readonly #follower: LogFollower;
  readonly #reads: StoreReads;
  readonly #writes: StoreWrites;
  readonly #compaction: Compaction;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts, options: StoreOptions) {
    const { storage, buckets, catalogue, horizons } = parts;
    this.streams = catalogue;
    this.#storage = storage;
    this.#horizons = horizons;
    this.#tail = new Tail(parts.expectedPoints);
    this.#listeners = new LogListeners(parts.log);
    this.#follower = this.#openFollower(parts);
    const common = { ...parts, tail: this.#tail, follower: this.#follower };
    const refresh = parts.shared ? () => this.refresh() : undefined;
    this.#reads = new StoreReads({ ...common, refresh }, options);
    const { latest, reader } = this.#reads;
    this.#compaction = new Compaction({ ...common, horizon: () => latest.horizon }, options.compaction);
    this.#writes = new StoreWrites({ ...common, compaction: this.#compaction }, options);
    const shared = {
      database: parts.database,
      clock: parts.clock,
      catalogue,
      horizons,
      latest,
      reader,
      buckets: this.#reads.buckets,
      queue: this.#writes.queue,
      compaction: this.#compaction,
      follower: this.#follower,
      tail: this.#tail,
      log: parts.log,
      noticeMillis: parts.noticeMillis,
      full: (points: number) => this.#writes.isFull(points),
      bucketCount: buckets,
      serial: new Serial(),
      shared: parts.shared,
      options: options.edits,
      listen: (listener: LogListener) => this.#listeners.add(listener),
    };
    const edits = new RangeEdits(shared);
    this.edits = edits;
    this.retention = new Retention({ ...shared, edits });
    if (parts.shared) storage.follow?.(() => this.#follower.refresh());
  }

  put(stream: StreamId, time: Micros, value: PointValue): Promise<void> {
    return this.#writes.put(stream, time, value);
  }

  append(batch: PointBatch): Promise<void> {
    return this.#writes.append(batch);
  }

  deleteRange(stream: StreamId, range: TimeRange): Promise<void> {
    return this.#writes.deleteRange(stream, range);
  }

  dropStreams(tx: Tx, streams: readonly StreamId[]): Promise<void> {
    return this.#writes.dropStreams(tx, streams);
  }

  latest(streams: readonly StreamId[]): Promise<readonly (Point | undefined)[]> {
    return this.#reads.latestOf(streams);
  }

  horizon(stream: StreamId): Micros {
    return this.#horizons.door(stream);
  }

  highWater(stream: StreamId): Micros {
    return this.#reads.highWater(stream);
  }

  find(stream: StreamId, time: Micros): Promise<Point | undefined> {
    return this.#reads.find(stream, time);
  }

  read(stream: StreamId, range: TimeRange): AsyncGenerator<PointPage> {
    return this.#reads.read(stream, range);
  }

  buckets(query: BucketQuery): AsyncGenerator<BucketTable> {
    return this.#reads.readBuckets(query);
  }

  follow(listener: LogListener): () => void {
    return this.#listeners.add(listener);
  }

  recent(): AsyncGenerator<LogNews> {
    return this.#follower.recent();
  }

  stats(): StoreStats {
    return {
      tailPoints: this.#tail.points,
      tailBytes: this.#tail.bytes,
      commits: this.#writes.commits,
      pointsAppended: this.#writes.points,
      pointsExpired: this.#writes.expired,
      compactions: this.#compaction.runs,
      takeovers: this.#storage.lease?.takeovers ?? 0,
      chunkErrors: this.#reads.corrupt + this.#follower.corrupt + this.#compaction.corrupt,
    };
  }

  /** Makes visible what other nodes, or commits whose answer was lost, have written. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Refreshes by itself from now on, on word of other nodes and now and then. */
  watch(options: WatchOptions): Promise<void> {
    return this.#follower.watch(options);
  }

  /** Moves all that is in the tail now into chunks. */
  compact(): Promise<void> {
    return this.#compaction.run();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writes.queue.close();
    await this.#follower.close();
    await this.#compaction.close();
    await this.#storage[Symbol.asyncDispose]();
  }

  #openFollower({ storage, log, database, horizons }: StoreParts): LogFollower {
    const events: TailEvents = {
      compacted: (generation) => {
        this.#reads.compacted(generation);
        this.#compaction.dropped();
        this.#writes.queue.resume();
      },
      restarted: () => this.#reads.restarted(),
      heads: (heads) => horizons.follow(database.read, heads),
    };
    return new LogFollower(storage, this.#tail, log, events, this.#listeners);
  }
}
