import { sql } from "kysely";
import type { Tx } from "../database/engine.ts";
import type { Millis } from "../time.ts";
import { type DropStreamOperation, encodeLogBatch, type LogOperation } from "./codec/log-batch.ts";
import type { CommittedRow } from "./commit-queue.ts";
import { bucketOf } from "./storage.ts";
import type { StreamId } from "./types.ts";

/**
 * Writes the end of the streams into the log inside a transaction of somebody else. Buckets go in ascending order,
 * as everywhere, so that two writers never wait for each other.
 */
export async function appendInTransaction(
  tx: Tx,
  streams: readonly StreamId[],
  buckets: number,
  at: Millis,
): Promise<readonly CommittedRow[]> {
  const byBucket = Map.groupBy(streams, (stream) => bucketOf(stream, buckets));
  const rows: CommittedRow[] = [];
  for (const bucket of [...byBucket.keys()].toSorted((a, b) => a - b)) {
    const operations = (byBucket.get(bucket) ?? []).map(
      (stream): DropStreamOperation => ({ kind: "dropStream", stream }),
    );
    rows.push(await appendRow(tx, bucket, operations, 0, at));
  }
  return rows;
}

/** Writes one row of the log inside a transaction of somebody else. */
export async function appendRow(
  tx: Tx,
  bucket: number,
  operations: readonly LogOperation[],
  points: number,
  at: Millis,
): Promise<CommittedRow> {
  const head = await sql<{ seq: number }>`
    update log_head set seq = seq + 1 where bucket = ${bucket} returning seq`.execute(tx);
  const seq = head.rows[0]?.seq ?? 0;
  const blob = encodeLogBatch(operations);
  await sql`
    insert into log (bucket, seq, at, points, blob) values (${bucket}, ${seq}, ${at}, ${points}, ${blob})`.execute(
    tx,
  );
  return { bucket, seq, operations };
}
