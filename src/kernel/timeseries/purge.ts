import { sql } from "kysely";
import type { Database, Queryable, Tx } from "../database/engine.ts";
import type { Micros } from "../time.ts";
import { decodeChunk, encodeChunk } from "./codec/chunk.ts";
import { summarize } from "./codec/summary.ts";
import { removeSomeChunks } from "./edits/edit-chunks.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { sliceTimes } from "./pages.ts";
import { allTime, type PointPage, type StreamId } from "./types.ts";

const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();
/** Deleting keeps the writer from commits for some milliseconds. */
const chunksPerSlice = 256;

export interface Expired {
  readonly bucket: number;
  readonly stream_id: StreamId;
  readonly horizon: Micros;
}

/** Streams whose points before the horizon may still lie in chunks. */
export const unpurged = (db: Queryable): Promise<readonly Expired[]> =>
  tables(db)
    .selectFrom("stream_horizons")
    .select(["bucket", "stream_id", "horizon"])
    .where("purged", "=", 0)
    .orderBy("bucket")
    .orderBy("stream_id")
    .execute();

/**
 * Deletes the points before the horizon from the chunks, slice after slice; what is cut off is repeated. No compaction
 * may run meanwhile.
 */
export async function purge(database: Database, expired: Expired): Promise<void> {
  while (await database.write((tx) => purgeSlice(database, tx, expired)));
}

/** @returns whether there is more */
async function purgeSlice(database: Database, tx: Tx, expired: Expired): Promise<boolean> {
  await endCompactions(database, tx, expired.bucket);
  const { bucket, stream_id, horizon } = expired;
  const chunks = tables(tx);
  const rows = await chunks
    .selectFrom("chunks")
    .select("start_time")
    .where("bucket", "=", bucket)
    .where("stream_id", "=", stream_id)
    .where("start_time", "<", horizon)
    .where("end_time", "<", horizon)
    .orderBy("start_time")
    .limit(chunksPerSlice)
    .execute();
  const last = rows.at(-1);
  if (last) {
    await chunks
      .deleteFrom("chunks")
      .where("bucket", "=", bucket)
      .where("stream_id", "=", stream_id)
      .where("start_time", "<=", last.start_time)
      .where("end_time", "<", horizon)
      .execute();
    if (rows.length === chunksPerSlice) return true;
  }
  // What edits have kept of expired points goes with them: they cannot be undone any more.
  const edits = sql`select id from stream_edits where stream_id = ${stream_id} and range_from < ${horizon}`;
  if (await removeSomeChunks(tx, bucket, edits)) return true;
  await cutEdge(tx, expired);
  await chunks
    .updateTable("stream_horizons")
    .set({ purged: 1 })
    .where("bucket", "=", bucket)
    .where("stream_id", "=", stream_id)
    .where("horizon", "=", horizon)
    .execute();
  return false;
}

/** The older part of the chunk in which the horizon lies. One that cannot be decoded stays as it is. */
async function cutEdge(tx: Tx, { bucket, stream_id, horizon }: Expired): Promise<void> {
  const edge = await tables(tx)
    .selectFrom("chunks")
    .select(["start_time", "codec", "blob"])
    .where("bucket", "=", bucket)
    .where("stream_id", "=", stream_id)
    .where("start_time", "<", horizon)
    .orderBy("start_time", "desc")
    .limit(1)
    .executeTakeFirst();
  const page = edge && decodedOrNone(edge.blob);
  if (!edge || !page) return;
  await tables(tx)
    .deleteFrom("chunks")
    .where("bucket", "=", bucket)
    .where("stream_id", "=", stream_id)
    .where("start_time", "=", edge.start_time)
    .execute();
  const kept = sliceTimes(page, horizon, allTime.to);
  if (kept.times.length === 0) return;
  const { minTime, maxTime, numericCount, ...figures } = summarize(kept);
  await tables(tx)
    .insertInto("chunks")
    .values({
      ...figures,
      bucket,
      stream_id,
      start_time: minTime,
      end_time: maxTime,
      numeric_count: numericCount,
      codec: edge.codec,
      blob: encodeChunk(kept),
    })
    .execute();
}

function decodedOrNone(blob: Uint8Array): PointPage | undefined {
  try {
    return decodeChunk(blob);
  } catch {
    return undefined;
  }
}

/**
 * On PostgreSQL another node may be compacting chunks as they were before: it finds at the end of its transaction that
 * the fence has moved, leaves nothing behind, and does it again over what is left here. One that began with the fence as
 * it is now waits for the end of this transaction before it can end.
 */
async function endCompactions(database: Database, tx: Tx, bucket: number): Promise<void> {
  if (database.engine === "postgres")
    await sql`update log_head set fence = fence + 1 where bucket = ${bucket}`.execute(tx);
}
