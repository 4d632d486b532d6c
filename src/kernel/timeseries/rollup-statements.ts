import type { EditStatement } from "./chunk-statements.ts";
import type { RollupEdit } from "./rollup-compaction.ts";
import type { StreamId } from "./types.ts";

const write = `insert into rollups (bucket, stream_id, width, start_time, blob) values (?, ?, ?, ?, ?)
  on conflict (bucket, stream_id, width, start_time) do update set blob = excluded.blob`;
const remove = "delete from rollups where bucket = ? and stream_id = ? and width = ? and start_time = ?";
const clear = `delete from rollups
  where bucket = ? and stream_id = ? and width = ? and start_time >= ? and start_time < ?`;

export function rollupStatement(bucket: number, stream: StreamId, edit: RollupEdit): EditStatement {
  const key = [bucket, stream, edit.width];
  if (edit.kind === "write") return { sql: write, params: [...key, edit.startTime, edit.blob] };
  if (edit.kind === "remove") return { sql: remove, params: [...key, edit.startTime] };
  return { sql: clear, params: [...key, edit.from, edit.to] };
}

/** Removes all rollups of a stream that is gone. */
export const unrollStatement = (bucket: number, stream: StreamId): EditStatement => ({
  sql: "delete from rollups where bucket = ? and stream_id = ?",
  params: [bucket, stream],
});
