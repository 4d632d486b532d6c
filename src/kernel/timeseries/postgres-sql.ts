import pg from "pg";
import type { PostgresConnection } from "../database/engine.ts";
import { clientSettings } from "../database/postgres-settings.ts";
import type { IdMap } from "./id-map.ts";
import type { ChunkRow, RollupRow } from "./storage.ts";

/** Numbers the parameters of a portable statement. */
export function numbered(statement: string): string {
  let count = 0;
  return statement.replaceAll("?", () => `$${++count}`);
}

/** Bytes as pg sends them without a copy. */
export const bytesOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);

export async function connectClient(connection: PostgresConnection): Promise<pg.Client> {
  const client = new pg.Client(clientSettings(connection));
  // A loss shows in the query that is running, or in the next one; without a listener it would end the process.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

export const chunkColumns = "start_time, end_time, count, blob";

export const chunkBeforeSql = `select ${chunkColumns} from chunks
  where bucket = $1 and stream_id = $2 and start_time < $3 order by start_time desc limit 1`;

/** Those that start before $4, from the one on that may hold $3. */
export const chunksSql = `select ${chunkColumns} from chunks
  where bucket = $1 and stream_id = $2 and start_time < $4 and start_time >= coalesce(
    (select max(start_time) from chunks where bucket = $1 and stream_id = $2 and start_time <= $3), $3)
  order by start_time limit $5`;

const ofSide = "bucket = $1 and edit_id = $2 and side = $3";

/** As `chunksSql` and `chunkBeforeSql`, of the chunks of one side of an edit. */
export const placedChunksSql = `select ${chunkColumns} from stream_edit_chunks
  where ${ofSide} and start_time < $5 and start_time >= coalesce(
    (select max(start_time) from stream_edit_chunks where ${ofSide} and start_time <= $4), $4)
  order by start_time limit $6`;
export const placedChunkBeforeSql = `select ${chunkColumns} from stream_edit_chunks
  where ${ofSide} and start_time < $4 order by start_time desc limit 1`;
/** Where the chunk begins that comes $5 after the first one after $4. */
export const placedStartSql = `select start_time from stream_edit_chunks
  where ${ofSide} and start_time > $4 order by start_time limit 1 offset $5`;

export const rollupsSql = `select start_time, blob from rollups
  where bucket = $1 and stream_id = $2 and width = $3 and start_time >= $4 and start_time < $5 order by start_time`;

export interface RollupSqlRow {
  readonly start_time: number;
  readonly blob: Buffer;
}

export const rollupRow = (row: RollupSqlRow): RollupRow => ({ startTime: row.start_time, blob: row.blob });

export const chunkRow = (row: ChunkSqlRow): ChunkRow => ({
  startTime: row.start_time,
  endTime: row.end_time,
  count: row.count,
  blob: row.blob,
});

export interface ChunkSqlRow {
  readonly start_time: number;
  readonly end_time: number;
  readonly count: number;
  readonly blob: Buffer;
}

/** Marks of one bucket by stream, 16 bytes each: a row apiece would take seconds and hundreds of megabytes for a million. */
export interface MarksRow {
  /** The greatest stream of these. */
  readonly last: number;
  /** Null where there are no more. */
  readonly packed: Buffer | null;
}

export const marksSql = `select max(stream_id) as last,
    string_agg(int8send(stream_id) || int8send(high_time), ''::bytea) as packed
  from (select stream_id, high_time from stream_marks where bucket = $1 and stream_id > $2
    order by stream_id limit $3) page`;

export function unpackMarks(packed: Buffer, marks: IdMap): void {
  const int8 = (at: number): number => packed.readInt32BE(at) * 2 ** 32 + packed.readUInt32BE(at + 4);
  for (let at = 0; at < packed.length; at += 16) marks.set(int8(at), int8(at + 8));
}
