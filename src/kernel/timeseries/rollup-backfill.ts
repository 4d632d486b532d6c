import type { Kysely } from "kysely";
import type { Tables } from "../database/engine.ts";
import { CellSummaries } from "./buckets/cell-summaries.ts";
import { type CellWidth, floorTo, quarterHour, storable, stretchOf, utcDay } from "./buckets/cells.ts";
import { encodeRollups } from "./buckets/rollup-codec.ts";
import { dayRollups } from "./buckets/rollup-days.ts";
import type { RollupPage } from "./buckets/rollup-page.ts";
import { decodeChunk } from "./codec/chunk.ts";
import { lowerBound } from "./pages.ts";
import type { PointPage } from "./types.ts";

/** As the tables are at the step of the schema that brings rollups. */
type BackfillTables = {
  chunks: { bucket: number; stream_id: number; start_time: number; blob: Uint8Array };
  rollups: { bucket: number; stream_id: number; width: number; start_time: number; blob: Uint8Array };
};
type Db = Kysely<BackfillTables>;
type Key = Pick<BackfillTables["chunks"], "bucket" | "stream_id">;

const chunksAtOnce = 16;

/** The rollups of all chunks, as a compaction makes them; a chunk that cannot be decoded adds nothing. */
export async function makeRollups(untyped: Kysely<Tables>): Promise<void> {
  const db = untyped.withTables<BackfillTables>();
  const streams = await db
    .selectFrom("chunks")
    .select(["bucket", "stream_id"])
    .distinct()
    .orderBy("bucket")
    .orderBy("stream_id")
    .execute();
  for (const stream of streams) await makeStreamRollups(db, stream);
}

async function makeStreamRollups(db: Db, stream: Key): Promise<void> {
  const quarters = stretchOf(quarterHour);
  let start = Number.NaN;
  let summaries = new CellSummaries();
  let pages: RollupPage[] = [];
  const endDays = async () => {
    const page = dayRollups(pages);
    if (page) await insert(db, stream, utcDay, page);
    pages = [];
  };
  const endStretch = async (next: number) => {
    const page = summaries.page();
    if (page) {
      await insert(db, stream, quarterHour, page);
      pages.push(page);
    }
    const days = stretchOf(utcDay);
    if (floorTo(days, next) !== floorTo(days, start)) await endDays();
    summaries = new CellSummaries();
    start = next;
  };
  for await (const { times, values } of pagesOf(db, stream))
    for (let low = 0; low < times.length; ) {
      const stretch = floorTo(quarters, times[low] as number);
      if (stretch !== start) await endStretch(stretch);
      const high = lowerBound(times, stretch + quarters);
      summaries.add(times.subarray(low, high), values.subarray(low, high));
      low = high;
    }
  await endStretch(Number.NaN);
}

async function* pagesOf(db: Db, { bucket, stream_id }: Key): AsyncGenerator<PointPage> {
  for (let after = -Infinity; ; ) {
    let query = db
      .selectFrom("chunks")
      .select(["start_time", "blob"])
      .where("bucket", "=", bucket)
      .where("stream_id", "=", stream_id);
    if (Number.isFinite(after)) query = query.where("start_time", ">", after);
    const rows = await query.orderBy("start_time").limit(chunksAtOnce).execute();
    for (const row of rows) {
      after = row.start_time;
      const page = decodeOrNone(row.blob);
      if (page) yield page;
    }
    if (rows.length < chunksAtOnce) return;
  }
}

function decodeOrNone(blob: Uint8Array): PointPage | undefined {
  try {
    return decodeChunk(blob);
  } catch {
    return undefined;
  }
}

async function insert(db: Db, stream: Key, width: CellWidth, page: RollupPage): Promise<void> {
  const start = floorTo(stretchOf(width), page.starts[0] as number);
  await db
    .insertInto("rollups")
    .values({ ...stream, width, start_time: storable(start), blob: encodeRollups(page) })
    .execute();
}
