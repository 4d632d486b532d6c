import { afterCommit, type Database, type Tx } from "../database/engine.ts";
import { Problem } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Clock, Micros } from "../time.ts";
import { BucketReader } from "./bucket-reader.ts";
import type { BucketQuery, BucketTable } from "./buckets/query.ts";
import type { Catalogue } from "./catalogue.ts";
import {
  checkBatch,
  checkBatchNotExpired,
  checkKey,
  checkNotExpired,
  checkNumber,
  checkRange,
  checkText,
} from "./checks.ts";
import { CommitQueue } from "./commit-queue.ts";
import { Compaction, type CompactionOptions } from "./compaction.ts";
import type { StreamEdits } from "./edits/contract.ts";
import { removeEdits } from "./edits/edit-store.ts";
import { RangeEdits } from "./edits/stream-edits.ts";
import { HighWater } from "./high-water.ts";
import type { Horizons } from "./horizons.ts";
import { Latest } from "./latest.ts";
import { LogFollower } from "./log-follower.ts";
import { appendInTransaction } from "./log-in-transaction.ts";
import { Reader } from "./reader.ts";
import { Retention } from "./retention.ts";
import type { StreamRetention } from "./retention-contract.ts";
import { RollupPages } from "./rollup-pages.ts";
import { Serial } from "./serial.ts";
import type { LogWrite, Storage } from "./storage.ts";
import type { StoreStats, TimeSeries } from "./store.ts";
import { Tail } from "./tail.ts";
import type { Point, PointBatch, PointPage, PointValue, StreamId, TimeRange } from "./types.ts";

export interface StoreOptions {
  /** Beyond these the tail takes no more until it is compacted. */
  readonly maxTailPoints: number;
  readonly maxTailBytes: number;
  readonly compaction: CompactionOptions;
  /** Decoded rollups that are kept. */
  readonly rollupCacheBytes: number;
  /** How many values a table of a bucketed read may have. */
  readonly tableValues: number;
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
  readonly log: Log;
  readonly clock: Clock;
}

/** The store: a log, its tail in memory, and chunks. See docs of the parts. */
export class LogStructuredStore implements TimeSeries {
  readonly streams: Catalogue;
  readonly #storage: Storage;
  readonly #options: StoreOptions;
  readonly #buckets: number;
  readonly #clock: Clock;
  readonly #shared: boolean;
  readonly #tail: Tail;
  readonly #follower: LogFollower;
  readonly #reader: Reader;
  readonly #highWater: HighWater;
  readonly #latest: Latest;
  readonly #rollups: RollupPages;
  readonly #bucketReader: BucketReader;
  readonly #compaction: Compaction;
  readonly #queue: CommitQueue;
  readonly #horizons: Horizons;
  readonly retention: StreamRetention;
  readonly edits: StreamEdits;
  #commits = 0;
  #pointsAppended = 0;
  #pointsExpired = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts, options: StoreOptions) {
    const { storage, log, buckets } = parts;
    this.streams = parts.catalogue;
    this.#storage = storage;
    this.#horizons = parts.horizons;
    this.#options = options;
    this.#buckets = buckets;
    this.#clock = parts.clock;
    this.#shared = parts.shared;
    this.#tail = new Tail(parts.expectedPoints);
    this.#follower = new LogFollower(storage, this.#tail, log, {
      compacted: (generation) => {
        this.#highWater.fold(generation);
        this.#latest.forget(generation);
        this.#rollups.forget(generation);
        this.#compaction.dropped();
        this.#queue.resume();
      },
      restarted: () => {
        this.#highWater.clear();
        this.#latest.clear();
        this.#rollups.clear();
      },
    });
    if (parts.shared) storage.follow?.(() => this.#follower.refresh());
    this.#reader = new Reader(storage, this.#tail, log);
    this.#highWater = new HighWater(this.#tail, (stream) => storage.mark(stream));
    this.#latest = new Latest(this.#tail, this.#reader, this.#highWater, parts.clock);
    this.#rollups = new RollupPages(storage, this.#tail, log, options.rollupCacheBytes);
    const bucketSources = {
      reader: this.#reader,
      pages: this.#rollups,
      tail: this.#tail,
      highWater: this.#highWater,
      clock: parts.clock,
      prepare: (streams: readonly StreamId[]) => this.streams.prepare(streams),
      firstKept: async (stream: StreamId) =>
        (await this.streams.mode(stream)) === "history" ? undefined : this.#firstKept(stream),
      horizon: (stream: StreamId) => this.#horizons.of(stream),
      lastRolledUp: (stream: StreamId, before: Micros) => this.#rollups.lastNumber(stream, before),
    };
    this.#bucketReader = new BucketReader(bucketSources, options.tableValues);
    this.#compaction = new Compaction(
      {
        storage,
        tail: this.#tail,
        follower: this.#follower,
        log,
        buckets,
        horizon: () => this.#latest.horizon,
      },
      options.compaction,
    );
    this.#queue = new CommitQueue({
      buckets,
      commit: (rows) => this.#commit(rows),
      settle: (rows) => {
        this.#commits++;
        const settling = this.#follower.settle(rows);
        this.#compaction.consider();
        return settling;
      },
      full: () => this.#full(0),
    });
    const shared = {
      database: parts.database,
      clock: parts.clock,
      catalogue: this.streams,
      horizons: this.#horizons,
      latest: this.#latest,
      reader: this.#reader,
      buckets: this.#bucketReader,
      queue: this.#queue,
      compaction: this.#compaction,
      follower: this.#follower,
      full: (points: number) => this.#full(this.#queue.points + points),
      bucketCount: buckets,
      serial: new Serial(),
    };
    this.retention = new Retention(shared);
    this.edits = new RangeEdits(shared);
  }

  put(stream: StreamId, time: Micros, value: PointValue): Promise<void> {
    try {
      checkKey(stream, time);
      if (typeof value === "number") checkNumber(value);
      else checkText(value);
      if (time < this.#horizons.door(stream))
        this.#checkDoor(() => checkNotExpired("time", time, this.#horizons.door(stream)), 1);
      this.#pointsAppended++;
      return this.#queue.put(stream, time, value);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  append(batch: PointBatch): Promise<void> {
    try {
      checkBatch(batch);
      if (batch.count === 0) return Promise.resolve();
      if (this.#horizons.any)
        this.#checkDoor(() => checkBatchNotExpired(batch, (id) => this.#horizons.door(id)), batch.count);
      if (this.#full(this.#queue.points)) {
        this.#compaction.consider();
        throw new Problem("store-busy", {
          detail: "The store is compacting what came before; send this again in a second.",
          headers: { "retry-after": "1" },
        });
      }
      this.#pointsAppended += batch.count;
      return this.#queue.append(batch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async deleteRange(stream: StreamId, range: TimeRange): Promise<void> {
    checkRange(stream, range);
    if (range.from >= range.to) return;
    checkNotExpired("from", range.from, this.#horizons.door(stream));
    await this.#queue.deleteRange(stream, range);
  }

  async dropStreams(tx: Tx, streams: readonly StreamId[]): Promise<void> {
    for (const stream of streams) checkKey(stream, 0);
    if (streams.length === 0) return;
    await this.streams.remove(tx, streams);
    await this.#horizons.remove(tx, streams);
    await removeEdits(tx, streams);
    const rows = await appendInTransaction(tx, streams, this.#buckets, this.#clock.now());
    afterCommit(tx, () => {
      // Where rows before these are still on their way to the tail, they are read from the log with them.
      this.#follower.settle(rows)?.catch(() => this.#follower.recover());
    });
  }

  async latest(streams: readonly StreamId[]): Promise<readonly (Point | undefined)[]> {
    if (this.#shared) await this.#follower.refresh();
    const points = await this.#latest.of(streams);
    if (!this.#horizons.any) return points;
    // Deleting the newest may lead back to one that has expired but is not purged yet.
    return points.map((point, i) =>
      point && point.time < this.#horizons.of(streams[i] ?? 0) ? undefined : point,
    );
  }

  horizon(stream: StreamId): Micros {
    return this.#horizons.door(stream);
  }

  highWater(stream: StreamId): Micros {
    return this.#highWater.of(stream);
  }

  async find(stream: StreamId, time: Micros): Promise<Point | undefined> {
    checkKey(stream, time);
    if (time < this.#horizons.of(stream)) return undefined;
    if ((await this.streams.mode(stream)) === "history") return this.#reader.find(stream, time);
    const from = await this.#firstKept(stream);
    return time < from ? undefined : this.#reader.find(stream, time);
  }

  async *read(stream: StreamId, range: TimeRange): AsyncGenerator<PointPage> {
    checkRange(stream, range);
    const kept =
      (await this.streams.mode(stream)) === "history"
        ? { from: Math.max(range.from, this.#horizons.of(stream)), to: range.to }
        : { from: Math.max(range.from, await this.#firstKept(stream)), to: range.to };
    yield* this.#reader.read(stream, kept);
  }

  async *buckets(query: BucketQuery): AsyncGenerator<BucketTable> {
    // Rollups that are kept in memory would otherwise answer without asking the database at all.
    if (this.#shared) await this.#follower.refresh();
    yield* this.#bucketReader.read(query);
  }

  stats(): StoreStats {
    return {
      tailPoints: this.#tail.points,
      tailBytes: this.#tail.bytes,
      commits: this.#commits,
      pointsAppended: this.#pointsAppended,
      pointsExpired: this.#pointsExpired,
      compactions: this.#compaction.runs,
      chunkErrors:
        this.#reader.corrupt + this.#rollups.corrupt + this.#follower.corrupt + this.#compaction.corrupt,
    };
  }

  /** Makes visible what other nodes, or commits whose answer was lost, have written. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Refreshes by itself from now on: see LogFollower. */
  poll(millis: number): void {
    this.#follower.poll(millis);
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
    await this.#queue.close();
    await this.#follower.close();
    await this.#compaction.close();
    await this.#storage[Symbol.asyncDispose]();
  }

  async #commit(rows: readonly LogWrite[]): Promise<readonly number[]> {
    try {
      return await this.#storage.commit(rows);
    } catch (error) {
      // The connection may have gone after the commit: what is in the log all the same belongs into the tail.
      this.#follower.recover();
      throw error;
    }
  }

  /** A stream that keeps only its newest point shows none before it; those of the future stay. */
  async #firstKept(stream: StreamId): Promise<Micros> {
    const [newest] = await this.latest([stream]);
    return newest?.time ?? Number.MIN_SAFE_INTEGER;
  }

  /** Counts what is refused. */
  #checkDoor(check: () => void, points: number): void {
    try {
      check();
    } catch (error) {
      this.#pointsExpired += points;
      throw error;
    }
  }

  #full(queued: number): boolean {
    return (
      this.#tail.points + queued >= this.#options.maxTailPoints ||
      this.#tail.bytes + 16 * queued >= this.#options.maxTailBytes
    );
  }
}
