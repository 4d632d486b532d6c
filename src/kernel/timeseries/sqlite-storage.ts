import type { DatabaseSync } from "node:sqlite";
import type { SqliteAccess, Statement } from "../database/engine.ts";
import { asProblem } from "../database/faults.ts";
import { openSqliteReader } from "../database/sqlite-file.ts";
import type { Clock, Micros } from "../time.ts";
import type { CellWidth } from "./buckets/cells.ts";
import { CompactionThread } from "./compaction-thread.ts";
import { SqliteChunks } from "./sqlite-chunks.ts";
import type { SqliteCompactionData } from "./sqlite-compaction-worker.ts";
import {
  type BucketHead,
  type ChunkRow,
  type CompactionFigures,
  type CompactionTask,
  type LogRow,
  type LogWrite,
  type RollupRow,
  type Storage,
  writeLogHead,
  writeLogRow,
} from "./storage.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import type { StreamId } from "./types.ts";

/** Giving pages back moves others into their place: 2 MB keep commits waiting for some milliseconds. */
const pagesPerSlice = 128;

/** A reader that is at it for long must not keep the writer waiting: then another time. */
const truncateWal = "pragma busy_timeout = 20; pragma wal_checkpoint(truncate); pragma busy_timeout = 5000";

/**
 * SQLite: commits go to the writer thread, reads come from a connection of the store's own on the event loop, and
 * compaction has a thread with another.
 */
export class SqliteStorage implements Storage {
  readonly #access: SqliteAccess;
  readonly #clock: Clock;
  readonly #reader: DatabaseSync;
  readonly #chunks: SqliteChunks;
  readonly #compaction: CompactionThread;

  private constructor(access: SqliteAccess, clock: Clock, reader: DatabaseSync, buckets: number) {
    this.#access = access;
    this.#clock = clock;
    this.#reader = reader;
    this.#chunks = new SqliteChunks(reader, buckets);
    const data: SqliteCompactionData = { file: access.file, buckets };
    this.#compaction = new CompactionThread({
      file: new URL("./sqlite-compaction-worker.ts", import.meta.url),
      data,
      write: (statements) => access.batch(statements),
    });
  }

  static open(access: SqliteAccess, clock: Clock, buckets: number): SqliteStorage {
    return new SqliteStorage(access, clock, openSqliteReader(access.file), buckets);
  }

  async heads(): Promise<readonly BucketHead[]> {
    return this.#reader
      .prepare("select bucket, seq, compacted_seq, horizons from log_head order by bucket")
      .all()
      .map((row) => ({
        bucket: row["bucket"] as number,
        seq: row["seq"] as number,
        compactedSeq: row["compacted_seq"] as number,
        horizons: row["horizons"] as number,
      }));
  }

  /** Horizons are moved by this process alone, after all that was checked before: there is nothing to recheck. */
  async commit(rows: readonly LogWrite[]): Promise<readonly number[]> {
    const at = this.#clock.now();
    const statements = rows.flatMap(({ bucket, points, blob }): Statement[] => [
      { sql: writeLogHead, params: [bucket] },
      { sql: writeLogRow, params: [at, points, blob, bucket] },
    ]);
    const results = await this.#access.batch(
      statements,
      rows.map(({ blob }) => blob.buffer),
    );
    return rows.map((_, i) => results[2 * i]?.rows[0]?.["seq"] as number);
  }

  async *log(bucket: number, after: number, upTo: number): AsyncIterable<LogRow> {
    const statement = this.#reader.prepare(
      "select seq, blob from log where bucket = ? and seq > ? and seq <= ? order by seq limit 64",
    );
    for (let seq = after; ; ) {
      const rows = statement.all(bucket, seq, upTo);
      for (const row of rows) {
        seq = row["seq"] as number;
        yield { seq, blob: row["blob"] as Uint8Array };
      }
      if (rows.length === 0) return;
    }
  }

  chunks(stream: StreamId, from: Micros, to: Micros, limit: number): readonly ChunkRow[] {
    return guarded(() => this.#chunks.chunks(stream, from, to, limit));
  }

  placedChunks(placed: PlacedChunks, from: Micros, to: Micros, limit: number): readonly ChunkRow[] {
    return guarded(() => this.#chunks.placedChunks(placed, from, to, limit));
  }

  placedChunkBefore(placed: PlacedChunks, before: Micros): ChunkRow | undefined {
    return guarded(() => this.#chunks.placedChunkBefore(placed, before));
  }

  chunkBefore(stream: StreamId, before: Micros): ChunkRow | undefined {
    return guarded(() => this.#chunks.chunkBefore(stream, before));
  }

  numericChunkBefore(stream: StreamId, before: Micros): ChunkRow | undefined {
    return guarded(() => this.#chunks.numericChunkBefore(stream, before));
  }

  rollups(stream: StreamId, width: CellWidth, from: Micros, to: Micros): readonly RollupRow[] {
    return guarded(() => this.#chunks.rollups(stream, width, from, to));
  }

  rollupBefore(stream: StreamId, before: Micros): RollupRow | undefined {
    return guarded(() => this.#chunks.rollupBefore(stream, before));
  }

  async loadMarks(): Promise<void> {}

  mark(stream: StreamId): Micros {
    return guarded(() => this.#chunks.mark(stream));
  }

  compact(task: CompactionTask): Promise<CompactionFigures> {
    return this.#compaction.run(task);
  }

  async tidy(hasTime: () => boolean): Promise<void> {
    while (hasTime() && this.#freePages() > 0)
      await this.#access.maintain(`pragma incremental_vacuum(${pagesPerSlice})`);
    if (hasTime()) await this.#access.maintain(truncateWal);
  }

  #freePages(): number {
    return this.#reader.prepare("pragma freelist_count").get()?.["freelist_count"] as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#compaction[Symbol.asyncDispose]();
    this.#reader.close();
  }
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asProblem(error);
  }
}
