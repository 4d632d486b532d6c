import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Micros } from "../time.ts";
import { type CellWidth, quarterHour } from "./buckets/cells.ts";
import { bucketOf, type ChunkRow, type RollupRow } from "./storage.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import type { StreamId } from "./types.ts";

type ChunkColumns = readonly [startTime: number, endTime: number, count: number, blob: Uint8Array];
/** The texts of all look-ups; `?` in the order of their parameters. */
export const sqliteLookups = {
  chunks: `
      select start_time, end_time, count, blob from chunks
      where bucket = ?1 and stream_id = ?2 and start_time < ?4 and start_time >= coalesce(
        (select max(start_time) from chunks where bucket = ?1 and stream_id = ?2 and start_time <= ?3), ?3)
      order by start_time limit ?5`,
  chunkBefore: `
      select start_time, end_time, count, blob from chunks
      where bucket = ? and stream_id = ? and start_time < ? order by start_time desc limit 1`,
  firstAfter: `
      select min(start_time) as start_time from chunks where bucket = ? and stream_id = ? and start_time > ?`,
  numericBefore: `
      select start_time, end_time, count, blob from chunks where bucket = ? and stream_id = ? and start_time < ?
        and numeric_count > 0 order by start_time desc limit 1`,
  rollups: `
      select start_time, blob from rollups
      where bucket = ? and stream_id = ? and width = ? and start_time >= ? and start_time < ? order by start_time`,
  rollupBefore: `
      select start_time, blob from rollups where bucket = ? and stream_id = ? and width = ? and start_time < ?
      order by start_time desc limit 1`,
  placed: `
      select start_time, end_time, count, blob from stream_edit_chunks
      where bucket = ?1 and edit_id = ?2 and side = ?3 and start_time < ?5 and start_time >= coalesce(
        (select max(start_time) from stream_edit_chunks
          where bucket = ?1 and edit_id = ?2 and side = ?3 and start_time <= ?4), ?4)
      order by start_time limit ?6`,
  placedBefore: `
      select start_time, end_time, count, blob from stream_edit_chunks
      where bucket = ? and edit_id = ? and side = ? and start_time < ? order by start_time desc limit 1`,
  placedStarts: `
      select start_time from stream_edit_chunks where bucket = ? and edit_id = ? and side = ? and start_time > ?
      order by start_time limit 1 offset ?`,
  mark: "select high_time from stream_marks where bucket = ? and stream_id = ?",
} as const;

/** Chunk look-ups over a read-only connection; also the compaction thread's. */
export class SqliteChunks {
  readonly #buckets: number;
  readonly #chunks: StatementSync;
  readonly #chunkBefore: StatementSync;
  readonly #mark: StatementSync;
  readonly #firstAfter: StatementSync;
  readonly #numericBefore: StatementSync;
  readonly #rollups: StatementSync;
  readonly #rollupBefore: StatementSync;
  readonly #placed: StatementSync;
  readonly #placedBefore: StatementSync;
  readonly #placedStarts: StatementSync;

  constructor(reader: DatabaseSync, buckets: number) {
    this.#buckets = buckets;
    this.#chunks = reader.prepare(sqliteLookups.chunks);
    this.#chunks.setReturnArrays(true);
    this.#chunkBefore = reader.prepare(sqliteLookups.chunkBefore);
    this.#firstAfter = reader.prepare(sqliteLookups.firstAfter);
    this.#numericBefore = reader.prepare(sqliteLookups.numericBefore);
    this.#rollups = reader.prepare(sqliteLookups.rollups);
    this.#rollupBefore = reader.prepare(sqliteLookups.rollupBefore);
    this.#mark = reader.prepare(sqliteLookups.mark);
    this.#placed = reader.prepare(sqliteLookups.placed);
    this.#placedBefore = reader.prepare(sqliteLookups.placedBefore);
    this.#placedStarts = reader.prepare(sqliteLookups.placedStarts);
  }

  chunks(stream: StreamId, from: Micros, to: Micros, limit: number): readonly ChunkRow[] {
    // As arrays, since objects take twice as long, and there may be thousands.
    const rows: unknown = this.#chunks.all(bucketOf(stream, this.#buckets), stream, from, to, limit);
    return (rows as ChunkColumns[]).map((row) => ({
      startTime: row[0],
      endTime: row[1],
      count: row[2],
      blob: row[3],
    }));
  }

  placedChunks({ stream, edit, side }: PlacedChunks, from: Micros, to: Micros, limit: number) {
    const bucket = bucketOf(stream, this.#buckets);
    return this.#placed.all(bucket, edit, side, from, to, limit).map(chunkRow);
  }

  placedChunkBefore({ stream, edit, side }: PlacedChunks, before: Micros): ChunkRow | undefined {
    const row = this.#placedBefore.get(bucketOf(stream, this.#buckets), edit, side, before);
    return row && chunkRow(row);
  }

  /** Where the chunk begins that comes `skipped` after the first one after `after`. */
  placedStart({ stream, edit, side }: PlacedChunks, after: Micros, skipped: number): Micros | undefined {
    const row = this.#placedStarts.get(bucketOf(stream, this.#buckets), edit, side, after, skipped);
    return row?.["start_time"] as number | undefined;
  }

  chunkBefore(stream: StreamId, before: Micros): ChunkRow | undefined {
    const row = this.#chunkBefore.get(bucketOf(stream, this.#buckets), stream, before);
    return row && chunkRow(row);
  }

  numericChunkBefore(stream: StreamId, before: Micros): ChunkRow | undefined {
    const row = this.#numericBefore.get(bucketOf(stream, this.#buckets), stream, before);
    return row && chunkRow(row);
  }

  rollups(stream: StreamId, width: CellWidth, from: Micros, to: Micros): readonly RollupRow[] {
    return this.#rollups
      .all(bucketOf(stream, this.#buckets), stream, width, from, to)
      .map((row) => ({ startTime: row["start_time"] as number, blob: row["blob"] as Uint8Array }));
  }

  rollupBefore(stream: StreamId, before: Micros): RollupRow | undefined {
    const row = this.#rollupBefore.get(bucketOf(stream, this.#buckets), stream, quarterHour, before);
    return row && { startTime: row["start_time"] as number, blob: row["blob"] as Uint8Array };
  }

  /** Where the first chunk that starts after `time` starts; Infinity without one. */
  startAfter(stream: StreamId, time: Micros): Micros {
    const row = this.#firstAfter.get(bucketOf(stream, this.#buckets), stream, time);
    return (row?.["start_time"] as number | null | undefined) ?? Number.POSITIVE_INFINITY;
  }

  mark(stream: StreamId): Micros {
    const row = this.#mark.get(bucketOf(stream, this.#buckets), stream);
    return row ? (row["high_time"] as number) : Number.NEGATIVE_INFINITY;
  }
}

const chunkRow = (row: Record<string, unknown>): ChunkRow => ({
  startTime: row["start_time"] as number,
  endTime: row["end_time"] as number,
  count: row["count"] as number,
  blob: row["blob"] as Uint8Array,
});
