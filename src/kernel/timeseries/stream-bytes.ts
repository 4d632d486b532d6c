import { sql } from "kysely";
import type { Reader } from "../database/engine.ts";
import type { TimeSeriesTables } from "./migrations.ts";
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
  const rows = await db
    .withTables<Pick<TimeSeriesTables, "chunks" | "rollups">>()
    .selectFrom(table)
    .select(["stream_id", sql<number | string>`sum(length(blob))`.as("bytes")])
    .where("bucket", "=", bucket)
    .where("stream_id", "in", ids)
    .groupBy("stream_id")
    .execute();
  // A sum of integers is `numeric` on PostgreSQL, which arrives as text.
  return rows.map((row) => [row.stream_id, Number(row.bytes)] as const);
}
