import type { Micros } from "../time.ts";
import type { ChunkEdit, NewChunk } from "./compactor.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import type { StreamId, TimeRange } from "./types.ts";

/** How the blob of a chunk is made: see codec/chunk.ts, which has a version of its own besides. */
const packedCodec = 1;

/** Text and parameters (`?`), for both engines. */
export interface EditStatement {
  readonly sql: string;
  readonly params: readonly (string | number | Uint8Array | null)[];
  /** What it writes beside its parameters, about. */
  readonly bytes?: number;
}

const write = `insert into chunks (bucket, stream_id, start_time, end_time, count, numeric_count,
  min, max, sum, first, last, codec, blob) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (bucket, stream_id, start_time) do update set end_time = excluded.end_time, count = excluded.count,
  numeric_count = excluded.numeric_count, min = excluded.min, max = excluded.max, sum = excluded.sum,
  first = excluded.first, last = excluded.last, codec = excluded.codec, blob = excluded.blob`;
const remove = "delete from chunks where bucket = ? and stream_id = ? and start_time = ?";
const clear =
  "delete from chunks where bucket = ? and stream_id = ? and start_time >= ? and start_time < ? and end_time < ?";
const setAside = `insert into damaged_chunks (bucket, stream_id, start_time, end_time, count, blob)
  select bucket, stream_id, start_time, end_time, count, blob from chunks
  where bucket = ? and stream_id = ? and start_time = ?`;
const mark = `insert into stream_marks (bucket, stream_id, high_time) values (?, ?, ?)
  on conflict (bucket, stream_id) do update set high_time = excluded.high_time
  where excluded.high_time > stream_marks.high_time`;
const unmark = "delete from stream_marks where bucket = ? and stream_id = ?";

const columns = `start_time, end_time, count, numeric_count, min, max, sum, first, last, codec, blob`;
const place = `insert into chunks (bucket, stream_id, ${columns}) select bucket, ?, ${columns}
  from stream_edit_chunks where bucket = ? and edit_id = ? and side = ? and start_time >= ? and start_time < ?`;
/** A chunk of an edit, about. */
const placedBytes = 2048;

/** Copies chunks that start in [from, to), at most `count`, from where an edit keeps them. */
export const placeStatement = (
  bucket: number,
  { stream, edit, side }: PlacedChunks,
  { from, to }: TimeRange,
  count: number,
): EditStatement => ({
  sql: place,
  params: [stream, bucket, edit, side, from, to],
  bytes: count * placedBytes,
});

const writeParams = (bucket: number, stream: StreamId, chunk: NewChunk): EditStatement["params"] => [
  bucket,
  stream,
  chunk.minTime,
  chunk.maxTime,
  chunk.count,
  chunk.numericCount,
  chunk.min,
  chunk.max,
  chunk.sum,
  chunk.first,
  chunk.last,
  packedCodec,
  chunk.blob,
];

/** The statements of one edit. */
export function editStatements(bucket: number, stream: StreamId, edit: ChunkEdit): readonly EditStatement[] {
  if (edit.kind === "write") return [{ sql: write, params: writeParams(bucket, stream, edit.chunk) }];
  if (edit.kind === "clear") return [{ sql: clear, params: [bucket, stream, edit.from, edit.to, edit.to] }];
  const key = [bucket, stream, edit.startTime];
  const away = { sql: remove, params: key };
  return edit.kind === "remove" ? [away] : [{ sql: setAside, params: key }, away];
}

/** Remembers the greatest time of a stream; forgets it for one that is gone. */
export const markStatement = (bucket: number, stream: StreamId, high: Micros | undefined): EditStatement =>
  high === undefined
    ? { sql: unmark, params: [bucket, stream] }
    : { sql: mark, params: [bucket, stream, high] };

/** Ends a compaction: rows of the log up to here are in chunks. */
export const compactedStatement = (bucket: number, upTo: number): EditStatement => ({
  sql: "update log_head set compacted_seq = ? where bucket = ? and compacted_seq < ?",
  params: [upTo, bucket, upTo],
});
