import type { Micros } from "../time.ts";
import type { CellWidth } from "./buckets/cells.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import type { StreamId } from "./types.ts";

/** Synchronous on SQLite, where a look-up takes microseconds; a promise on PostgreSQL. */
export type Sometimes<T> = T | Promise<T>;

export interface BucketHead {
  readonly bucket: number;
  readonly seq: number;
  readonly compactedSeq: number;
  /** The version of the horizons of its streams: see Horizons. */
  readonly horizons: number;
}

/** A row of the log to be written. The blob is handed over: its buffer may be transferred. */
export interface LogWrite {
  readonly bucket: number;
  readonly points: number;
  readonly blob: Uint8Array<ArrayBuffer>;
  /** The version of the bucket's horizons that its points were checked against. */
  readonly horizons: number;
}

/** Checks rows against the horizons as they are now. @throws Problem when some of them may not be written any more */
export type Recheck = (rows: readonly LogWrite[]) => Promise<readonly LogWrite[]>;

export interface LogRow {
  readonly seq: number;
  readonly blob: Uint8Array;
}

export interface ChunkRow {
  readonly startTime: Micros;
  /** The time of its last point. */
  readonly endTime: Micros;
  readonly count: number;
  readonly blob: Uint8Array;
}

export interface RollupRow {
  /** Where its stretch begins: see buckets/cells.ts. */
  readonly startTime: Micros;
  readonly blob: Uint8Array;
}

export interface CompactionTask {
  readonly bucket: number;
  /** Log rows up to this one move into chunks. */
  readonly upTo: number;
  /** The newest time that counts as 'latest', for streams that keep only that. */
  readonly horizon: Micros;
  /** PostgreSQL: what the bucket's fence stands at while nobody interferes; see PostgresLease. */
  readonly fence?: number;
  /** So much of the log is held in memory at once: a longer one is done part after part. */
  readonly pointsAtOnce: number;
}

export interface CompactionFigures {
  readonly points: number;
  readonly chunksWritten: number;
  /** Rows of chunks, log or rollups that could not be decoded. */
  readonly corrupt: number;
}

/** Who may compact, where several nodes share a database. */
export interface CompactionLease {
  /** Runs `work` while no other node compacts; false, without running it, while one does. */
  hold(work: () => Promise<void>): Promise<boolean>;
  /** When to ask again, milliseconds. */
  readonly retryMillis: number;
  /** How often it was taken from a node that had let it run out. */
  readonly takeovers: number;
}

/** What the store needs of an SQL engine; see sqlite-storage.ts and postgres-storage.ts. */
export interface Storage extends AsyncDisposable {
  heads(): Promise<readonly BucketHead[]>;
  /**
   * Writes the rows in one transaction, each with the next sequence number of its bucket. Where another node has
   * moved horizons since they were checked, `recheck` is asked first.
   * @returns those numbers
   * @throws Problem `disk-full`, `store-unavailable` (then the outcome may be unknown)
   */
  commit(rows: readonly LogWrite[], recheck: Recheck): Promise<readonly number[]>;
  /** The rows of the log in (after, upTo], ascending. */
  log(bucket: number, after: number, upTo: number): AsyncIterable<LogRow>;
  /** The chunk that may hold `from` and those that start before `to`, ascending, `limit` at most. */
  chunks(stream: StreamId, from: Micros, to: Micros, limit: number): Sometimes<readonly ChunkRow[]>;
  /** As `chunks` and `chunkBefore`, of those that are kept with an edit; they never change. */
  placedChunks(placed: PlacedChunks, from: Micros, to: Micros, limit: number): Sometimes<readonly ChunkRow[]>;
  placedChunkBefore(placed: PlacedChunks, before: Micros): Sometimes<ChunkRow | undefined>;
  /** The last chunk that starts before `before`. */
  chunkBefore(stream: StreamId, before: Micros): Sometimes<ChunkRow | undefined>;
  /** The last chunk that starts before `before` and holds a number. */
  numericChunkBefore(stream: StreamId, before: Micros): Sometimes<ChunkRow | undefined>;
  /** The rollups of the stretches that begin in [from, to), ascending. */
  rollups(stream: StreamId, width: CellWidth, from: Micros, to: Micros): Sometimes<readonly RollupRow[]>;
  /** The last stretch of quarter hours that begins before `before`. */
  rollupBefore(stream: StreamId, before: Micros): Sometimes<RollupRow | undefined>;
  /** Makes `mark` answer what the database knows now. */
  loadMarks(): Promise<void>;
  /** The greatest time that ever came into the stream's chunks; -Infinity when none did. */
  mark(stream: StreamId): Micros;
  /** Moves the log into chunks; when it rejects, it may be run again. One at a time. */
  compact(task: CompactionTask): Promise<CompactionFigures>;
  /** Present where other nodes may compact as well. Rows leave the log in the transaction that moves `compactedSeq`. */
  readonly lease?: CompactionLease;
  /** From now on what was looked up in chunks is handed out after `catchUp` only. */
  follow?(catchUp: () => Promise<void>): void;
  /** Gives back the space that compactions have freed, bit by bit, for as long as there is time for it. */
  tidy(hasTime: () => boolean): Promise<void>;
}

/** The number of buckets is fixed for ever, and so is a stream's bucket. */
export const bucketOf = (stream: StreamId, buckets: number): number => (buckets === 1 ? 0 : stream % buckets);

export const writeLogHead = "update log_head set seq = seq + 1 where bucket = ? returning seq";
export const writeLogRow =
  "insert into log (bucket, seq, at, points, blob) select bucket, seq, ?, ?, ? from log_head where bucket = ?";
