import { sql } from "kysely";
import type { Reader } from "../database/engine.ts";
import type { Stream, StreamId } from "./types.ts";

const idsPerStatement = 1000;

/**
 * Bytes of the streams' chunks and rollups, as they lie in the database; what is still in the log is not counted.
 * Reads sizes only, not what is in them.
 */
export async function storedBytes(
  db: Reader,
  streams: readonly Stream[],
): Promise<ReadonlyMap<StreamId, number>> {
  const bytes = new Map<StreamId, number>(streams.map(({ id }) => [id, 0]));
  for (const [bucket, members] of Map.groupBy(streams, (stream) => stream.bucket))
    for (let at = 0; at < members.length; at += idsPerStatement) {
      const ids = members.slice(at, at + idsPerStatement).map(({ id }) => id);
      for (const table of ["chunks", "rollups"] as const)
        for (const [id, size] of await sizes(db, table, bucket, ids))
          bytes.set(id, (bytes.get(id) ?? 0) + size);
    }
  return bytes;
}

async function sizes(
  db: Reader,
  table: "chunks" | "rollups",
  bucket: number,
  ids: readonly StreamId[],
): Promise<readonly (readonly [StreamId, number])[]> {
  // Chunks that are about to be purged hold nothing any more.
  const live =
    table === "rollups"
      ? sql``
      : sql`and end_time >= coalesce((select horizon from stream_horizons h
          where h.bucket = chunks.bucket and h.stream_id = chunks.stream_id), end_time)`;
  const { rows } = await sql<{ stream_id: number; bytes: number | string }>`
    select stream_id, sum(length(blob)) as bytes from ${sql.table(table)}
    where bucket = ${bucket} and stream_id in (${sql.join(ids)}) ${live} group by stream_id`.execute(db);
  // A sum of integers is `numeric` on PostgreSQL, which arrives as text.
  return rows.map((row) => [row.stream_id, Number(row.bytes)] as const);
}
