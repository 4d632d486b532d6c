import type pg from "pg";
import type { PostgresAccess, PostgresConnection } from "../database/engine.ts";
import { asProblem } from "../database/faults.ts";
import { openPool } from "../database/postgres-settings.ts";
import type { Log } from "../observe/log.ts";
import type { Clock, Micros } from "../time.ts";
import { type CellWidth, quarterHour } from "./buckets/cells.ts";
import { CompactionThread } from "./compaction-thread.ts";
import { IdMap } from "./id-map.ts";
import { PostgresAppender } from "./postgres-appender.ts";
import { PostgresLease } from "./postgres-lease.ts";
import {
  type ChunkSqlRow,
  chunkBeforeSql,
  chunkColumns,
  chunkRow,
  chunksSql,
  type MarksRow,
  marksSql,
  placedChunkBeforeSql,
  placedChunksSql,
  type RollupSqlRow,
  rollupRow,
  rollupsSql,
  unpackMarks,
} from "./postgres-sql.ts";
import {
  type BucketHead,
  bucketOf,
  type ChunkRow,
  type CompactionFigures,
  type CompactionTask,
  type LogRow,
  type LogWrite,
  type Recheck,
  type RollupRow,
  type Storage,
} from "./storage.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import type { StreamId } from "./types.ts";

export interface PostgresCompactionData {
  readonly connection: PostgresConnection;
  readonly buckets: number;
  /** Who compacts: see PostgresLease. */
  readonly owner: string;
  readonly leaseMillis: number;
}

/** Reads of the store do not take the connections that features need. */
const readConnections = 4;
const logRowsPerQuery = 64;
const marksPerQuery = 50_000;

const numericChunkBeforeSql = `select ${chunkColumns} from chunks where bucket = $1 and stream_id = $2
  and start_time < $3 and numeric_count > 0 order by start_time desc limit 1`;

const rollupBeforeSql = `select start_time, blob from rollups where bucket = $1 and stream_id = $2 and width = $3
  and start_time < $4 order by start_time desc limit 1`;

/** PostgreSQL: appends over a connection of their own, reads over a small pool, compaction in a thread with another. */
export class PostgresStorage implements Storage {
  readonly lease: PostgresLease;
  readonly #clock: Clock;
  readonly #buckets: number;
  readonly #pool: pg.Pool;
  readonly #appender: PostgresAppender;
  readonly #compaction: CompactionThread;
  #marks = new IdMap();
  #catchUp: (() => Promise<void>) | undefined;

  constructor(access: PostgresAccess, log: Log, clock: Clock, buckets: number, leaseMillis: number) {
    const { connection } = access;
    this.#clock = clock;
    this.#buckets = buckets;
    this.#pool = openPool(connection, readConnections, log);
    this.#appender = new PostgresAppender(connection);
    this.lease = new PostgresLease(this.#pool, log, buckets, leaseMillis);
    const data: PostgresCompactionData = { connection, buckets, owner: this.lease.owner, leaseMillis };
    this.#compaction = new CompactionThread({
      file: new URL("./postgres-compaction-worker.ts", import.meta.url),
      data,
    });
  }

  async heads(): Promise<readonly BucketHead[]> {
    const rows = await this.#select<{
      bucket: number;
      seq: number;
      compacted_seq: number;
      horizons: number;
    }>("heads", "select bucket, seq, compacted_seq, horizons from log_head order by bucket", []);
    return rows.map(({ compacted_seq, ...row }) => ({ ...row, compactedSeq: compacted_seq }));
  }

  commit(rows: readonly LogWrite[], recheck: Recheck): Promise<readonly number[]> {
    return this.#appender.commit(rows, this.#clock.now(), recheck);
  }

  async *log(bucket: number, after: number, upTo: number): AsyncIterable<LogRow> {
    for (let seq = after; seq < upTo; ) {
      const rows = await this.#select<{ seq: number; blob: Buffer }>(
        "log",
        "select seq, blob from log where bucket = $1 and seq > $2 and seq <= $3 order by seq limit $4",
        [bucket, seq, upTo, logRowsPerQuery],
      );
      yield* rows;
      const last = rows.at(-1);
      if (!last) return;
      seq = last.seq;
    }
  }

  async chunks(stream: StreamId, from: Micros, to: Micros, limit: number): Promise<readonly ChunkRow[]> {
    const params = [bucketOf(stream, this.#buckets), stream, from, to, limit];
    return (await this.#query<ChunkSqlRow>("chunks", chunksSql, params)).map(chunkRow);
  }

  async placedChunks({ stream, edit, side }: PlacedChunks, from: Micros, to: Micros, limit: number) {
    const params = [bucketOf(stream, this.#buckets), edit, side, from, to, limit];
    return (await this.#select<ChunkSqlRow>("placed-chunks", placedChunksSql, params)).map(chunkRow);
  }

  async placedChunkBefore(
    { stream, edit, side }: PlacedChunks,
    before: Micros,
  ): Promise<ChunkRow | undefined> {
    const params = [bucketOf(stream, this.#buckets), edit, side, before];
    const [row] = await this.#select<ChunkSqlRow>("placed-chunk-before", placedChunkBeforeSql, params);
    return row && chunkRow(row);
  }

  async chunkBefore(stream: StreamId, before: Micros): Promise<ChunkRow | undefined> {
    const params = [bucketOf(stream, this.#buckets), stream, before];
    const [row] = await this.#query<ChunkSqlRow>("chunk-before", chunkBeforeSql, params);
    return row && chunkRow(row);
  }

  async numericChunkBefore(stream: StreamId, before: Micros): Promise<ChunkRow | undefined> {
    const params = [bucketOf(stream, this.#buckets), stream, before];
    const [row] = await this.#query<ChunkSqlRow>("numeric-chunk-before", numericChunkBeforeSql, params);
    return row && chunkRow(row);
  }

  async rollups(stream: StreamId, width: CellWidth, from: Micros, to: Micros): Promise<readonly RollupRow[]> {
    const params = [bucketOf(stream, this.#buckets), stream, width, from, to];
    return (await this.#query<RollupSqlRow>("rollups", rollupsSql, params)).map(rollupRow);
  }

  async rollupBefore(stream: StreamId, before: Micros): Promise<RollupRow | undefined> {
    const params = [bucketOf(stream, this.#buckets), stream, quarterHour, before];
    const [row] = await this.#query<RollupSqlRow>("rollup-before", rollupBeforeSql, params);
    return row && rollupRow(row);
  }

  async loadMarks(): Promise<void> {
    const marks = new IdMap();
    for (let bucket = 0; bucket < this.#buckets; bucket++)
      for (let after = -1; ; ) {
        const [row] = await this.#select<MarksRow>("marks", marksSql, [bucket, after, marksPerQuery]);
        if (!row?.packed) break;
        unpackMarks(row.packed, marks);
        after = row.last;
      }
    this.#marks = marks;
  }

  mark(stream: StreamId): Micros {
    const mark = this.#marks.get(stream);
    return Number.isNaN(mark) ? Number.NEGATIVE_INFINITY : mark;
  }

  compact(task: CompactionTask): Promise<CompactionFigures> {
    return this.#compaction.run({ ...task, fence: this.lease.fence(task.bucket) });
  }

  follow(catchUp: () => Promise<void>): void {
    this.#catchUp = catchUp;
  }

  /** Autovacuum does it. */
  async tidy(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#compaction[Symbol.asyncDispose]();
    await this.lease.idle();
    await this.#appender[Symbol.asyncDispose]();
    await this.#pool.end();
  }

  /** For what lies below the tail: see LogFollower. */
  async #query<R extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: readonly number[],
  ): Promise<readonly R[]> {
    const rows = await this.#select<R>(name, text, values);
    await this.#catchUp?.();
    return rows;
  }

  async #select<R extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: readonly number[],
  ): Promise<readonly R[]> {
    try {
      return (await this.#pool.query<R>({ name, text, values: [...values] })).rows;
    } catch (error) {
      throw asProblem(error);
    }
  }
}
