import { sql } from "kysely";
import type { Tx } from "../../database/engine.ts";
import { decodeLogBatch } from "../codec/log-batch.ts";
import { touches } from "../log-touches.ts";
import type { Stream, TimeRange } from "../types.ts";

/**
 * Whether rows of the log after `seen` touch the range, or part of it has expired. It locks the head of the log: to the
 * end of the transaction none will.
 */
export async function rangeChanged(
  tx: Tx,
  { id, bucket }: Stream,
  seen: number,
  { from, to }: TimeRange,
): Promise<boolean> {
  const heads = await sql<{ compacted_seq: number }>`
    update log_head set seq = seq where bucket = ${bucket} returning compacted_seq`.execute(tx);
  if ((heads.rows[0]?.compacted_seq ?? 0) > seen) return true;
  const horizons = await sql<{ horizon: number }>`
    select horizon from stream_horizons where bucket = ${bucket} and stream_id = ${id}`.execute(tx);
  if ((horizons.rows[0]?.horizon ?? from) > from) return true;
  const { rows } = await sql<{ blob: Uint8Array }>`
    select blob from log where bucket = ${bucket} and seq > ${seen} order by seq`.execute(tx);
  return rows.some(({ blob }) =>
    decodeLogBatch(blob).some((operation) => {
      if (operation.kind === "points")
        return touches(operation, (stream, time) => stream === id && time >= from && time < to);
      if (operation.stream !== id) return false;
      if (operation.kind !== "deleteRange") return true;
      return operation.range.from < to && operation.range.to > from;
    }),
  );
}
