import pg from "pg";
import type { PostgresConnection } from "../database/engine.ts";
import { clientSettings } from "../database/postgres-settings.ts";
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
