import { workerData } from "node:worker_threads";
import type pg from "pg";
import type { EditStatement } from "./chunk-statements.ts";
import { type CompactedLog, type CompactionSource, compactInParts, runCompaction } from "./compaction-run.ts";
import { serveCompactions } from "./compaction-worker.ts";
import { sessionOf } from "./postgres-lease.ts";
import {
  bytesOf,
  type ChunkSqlRow,
  chunkBeforeSql,
  chunkRow,
  chunksSql,
  connectClient,
  numbered,
  placedStartSql,
  type RollupSqlRow,
  rollupRow,
  rollupsSql,
} from "./postgres-sql.ts";
import type { PostgresCompactionData } from "./postgres-storage.ts";
import {
  bucketOf,
  type ChunkRow,
  type CompactionFigures,
  type CompactionTask,
  type LogRow,
} from "./storage.ts";
import type { Stream, StreamId } from "./types.ts";

/** Compaction on PostgreSQL: everything here, in one transaction, over a connection that lives as long as it. */

const logRowsPerQuery = 64;

/**
 * Checks that nobody has taken the lease since, nor compacted, nor removed chunks, and holds all of that off until the
 * commit: one that was paused and replaced finds out here, and leaves nothing behind. A lease that ran out without
 * anybody taking it does no harm.
 */
const finish = `update log_head set compacted_seq = $2
  where bucket = $1 and compacted_seq = $3 and fence = $4`;

const { connection, buckets, owner, leaseMillis } = workerData as PostgresCompactionData;

const slotSql = `
  select (select min(start_time) from chunks where bucket = $1 and stream_id = $2 and start_time > $3) as next_start,
    chunk.* from (select 1) one left join (${chunkBeforeSql.replace("< $3", "<= $3")}) chunk on true`;

/** Without a chunk its columns are null. */
type SlotRow = { readonly next_start: number | null } & {
  readonly [Column in keyof ChunkSqlRow]: ChunkSqlRow[Column] | null;
};

function chunkOf({ start_time, end_time, count, blob }: SlotRow): ChunkRow | undefined {
  if (start_time === null || end_time === null || count === null || blob === null) return undefined;
  return { startTime: start_time, endTime: end_time, count, blob };
}

function sourceOver(client: pg.Client): CompactionSource {
  return {
    log: (task, after) => readLog(client, task, after),
    modes: async (streams) => {
      const { rows } = await client.query<{ id: number; mode: string }>(
        "select id, mode from streams where id = any($1::bigint[])",
        [streams],
      );
      return new Map(
        rows.map(({ id, mode }): [StreamId, Stream["mode"]] => [id, mode === "last" ? "last" : "history"]),
      );
    },
    horizons: async (streams) => {
      const { rows } = await client.query<{ stream_id: number; horizon: number }>(
        "select stream_id, horizon from stream_horizons where stream_id = any($1::bigint[])",
        [streams],
      );
      return new Map(rows.map((row) => [row.stream_id, row.horizon]));
    },
    slot: async (stream, time) => {
      const bucket = bucketOf(stream, buckets);
      const { rows } = await client.query<SlotRow>({
        name: "slot",
        text: slotSql,
        values: [bucket, stream, time],
      });
      const [row] = rows;
      return { chunk: row && chunkOf(row), nextStart: row?.next_start ?? Number.POSITIVE_INFINITY };
    },
    chunks: async (stream, from, to, limit) => {
      const values = [bucketOf(stream, buckets), stream, from, to, limit];
      const { rows } = await client.query<ChunkSqlRow>({ name: "chunks", text: chunksSql, values });
      return rows.map(chunkRow);
    },
    placedStart: async ({ stream, edit, side }, after, skipped) => {
      const values = [bucketOf(stream, buckets), edit, side, after, skipped];
      const { rows } = await client.query<{ start_time: number }>({
        name: "placed-start",
        text: placedStartSql,
        values,
      });
      return rows[0]?.start_time;
    },
    rollups: async (stream, width, from, to) => {
      const values = [bucketOf(stream, buckets), stream, width, from, to];
      const { rows } = await client.query<RollupSqlRow>({ name: "rollups", text: rollupsSql, values });
      return rows.map(rollupRow);
    },
  };
}

async function* readLog(
  client: pg.Client,
  { bucket, upTo }: CompactionTask,
  after: number,
): AsyncGenerator<LogRow> {
  for (let seq = after; ; ) {
    const { rows } = await client.query<{ seq: number; blob: Buffer }>({
      name: "log",
      text: "select seq, blob from log where bucket = $1 and seq > $2 and seq <= $3 order by seq limit $4",
      values: [bucket, seq, upTo, logRowsPerQuery],
    });
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    seq = last.seq;
  }
}

/** The statements are the same few: each is prepared once. */
class Writes {
  readonly #client: pg.Client;
  readonly #names = new Map<string, string>();

  constructor(client: pg.Client) {
    this.#client = client;
  }

  async add(statements: readonly EditStatement[]): Promise<void> {
    // From here on there are locks that would keep a successor waiting: a paused owner's end with its lease.
    if (this.#names.size === 0)
      await this.#client.query(`set local idle_in_transaction_session_timeout = ${leaseMillis}`);
    for (const { sql, params } of statements) {
      const name = this.#names.get(sql) ?? `write-${this.#names.size}`;
      this.#names.set(sql, name);
      const values = params.map((param) => (param instanceof Uint8Array ? bytesOf(param) : param));
      await this.#client.query({ name, text: numbered(sql), values });
    }
  }
}

async function compactedSeq(client: pg.Client, bucket: number): Promise<number> {
  const text = "select compacted_seq from log_head where bucket = $1";
  const { rows } = await client.query<{ compacted_seq: number }>(text, [bucket]);
  return rows[0]?.compacted_seq ?? 0;
}

const nothing: CompactionFigures = { points: 0, chunksWritten: 0, corrupt: 0 };

/** The part of the log after `after`, in one transaction. */
async function compactPart(task: CompactionTask, after: number): Promise<CompactedLog> {
  const client = await connectClient(connection);
  try {
    await client.query("begin");
    await client.query("select set_config('application_name', $1, true)", [sessionOf(owner)]);
    const start = await compactedSeq(client, task.bucket);
    if (start >= task.upTo) return { figures: nothing, rows: [], upTo: task.upTo };
    const writes = new Writes(client);
    const part = await runCompaction(
      task,
      after,
      sourceOver(client),
      (statements) => writes.add(statements),
      // Its own transaction sees at once what it writes.
      async () => undefined,
    );
    await client.query("delete from log where bucket = $1 and seq = any($2::bigint[])", [
      task.bucket,
      part.rows.map(({ seq }) => seq),
    ]);
    // Last, since it keeps appends from the head of the log until the commit.
    const finished = await client.query(finish, [task.bucket, part.upTo, start, task.fence]);
    if (finished.rowCount !== 1) throw new Error("Another node has taken over the compaction.");
    await client.query("commit");
    return part;
  } finally {
    await client.end();
  }
}

serveCompactions({ compact: (task) => compactInParts(task, (after) => compactPart(task, after)) });
