import type { DatabaseSync } from "node:sqlite";
import { workerData } from "node:worker_threads";
import { openSqliteReader } from "../database/sqlite-file.ts";
import type { Micros } from "../time.ts";
import { compactedStatement, type EditStatement } from "./chunk-statements.ts";
import { type CompactedLog, type CompactionSource, compactInParts, runCompaction } from "./compaction-run.ts";
import { serveCompactions } from "./compaction-worker.ts";
import { SqliteChunks } from "./sqlite-chunks.ts";
import type { CompactionFigures, CompactionTask, LogRow } from "./storage.ts";
import type { Stream, StreamId } from "./types.ts";

/**
 * Compaction of the SQLite file: reads and encodes here, over a read-only connection; what is to be written goes
 * back in slices, since only the writer thread may write.
 */
export interface SqliteCompactionData {
  readonly file: string;
  readonly buckets: number;
}

/** A slice keeps the writer from commits for some milliseconds at most. */
const sliceStatements = 1024;
const sliceBytes = 1 << 18;
/** Deleting reads the pages of the blobs: so many bytes of the log a slice. */
const sliceLogBytes = 1 << 22;
/** Slices that may wait for the writer while the next is encoded. */
const slicesInFlight = 2;
const snapshotMillis = 200;

const { file, buckets } = workerData as SqliteCompactionData;
/** It goes through the file from one end to the other: mapped, all of that would count as memory. */
const database = openSqliteReader(file, 0);
const chunks = new SqliteChunks(database, buckets);

const source: CompactionSource = {
  log: (task, after) => readLog(database, task, after),
  betweenStreams: () => renewSnapshot(),
  modes: async (streams) => readModes(streams),
  horizons: async (streams) => readHorizons(streams),
  slot: (stream, time) => ({
    chunk: chunks.chunkBefore(stream, time + 1),
    nextStart: chunks.startAfter(stream, time),
  }),
  chunks: (stream, from, to, limit) => chunks.chunks(stream, from, to, limit),
  rollups: (stream, width, from, to) => chunks.rollups(stream, width, from, to),
  placedStart: (placed, after, skipped) => chunks.placedStart(placed, after, skipped),
};

function* readLog(reader: DatabaseSync, { bucket, upTo }: CompactionTask, after: number): Generator<LogRow> {
  const statement = reader.prepare(
    "select seq, blob from log where bucket = ? and seq > ? and seq <= ? order by seq",
  );
  for (const row of statement.iterate(bucket, after, upTo))
    yield { seq: row["seq"] as number, blob: row["blob"] as Uint8Array };
}

function readModes(streams: readonly StreamId[]): ReadonlyMap<StreamId, Stream["mode"]> {
  const rows = database
    .prepare("select id, mode from streams where id in (select value from json_each(?))")
    .all(JSON.stringify(streams));
  return new Map(rows.map((row) => [row["id"] as number, row["mode"] === "last" ? "last" : "history"]));
}

function readHorizons(streams: readonly StreamId[]): ReadonlyMap<StreamId, Micros> {
  const rows = database
    .prepare(
      "select stream_id, horizon from stream_horizons where stream_id in (select value from json_each(?))",
    )
    .all(JSON.stringify(streams));
  return new Map(rows.map((row) => [row["stream_id"] as number, row["horizon"] as number]));
}

/** Collects statements into slices, and waits when too many are on their way. */
class Slices {
  #statements: EditStatement[] = [];
  #bytes = 0;
  #inFlight = 0;
  #aborted = false;
  #wake: (() => void) | undefined;

  async add(statements: readonly EditStatement[]): Promise<void> {
    for (const statement of statements) {
      this.#statements.push(statement);
      for (const param of statement.params) if (param instanceof Uint8Array) this.#bytes += param.length;
      this.#bytes += statement.bytes ?? 0;
    }
    if (this.#statements.length >= sliceStatements || this.#bytes >= sliceBytes) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#statements.length > 0) {
      send({ kind: "slice", statements: this.#statements });
      this.#statements = [];
      this.#bytes = 0;
      this.#inFlight++;
    }
    await this.#waitUntil(slicesInFlight - 1);
  }

  async end(): Promise<void> {
    await this.flush();
    await this.#waitUntil(0);
  }

  settle(aborted: boolean): void {
    this.#inFlight--;
    this.#aborted ||= aborted;
    this.#wake?.();
  }

  async #waitUntil(inFlight: number): Promise<void> {
    while (this.#inFlight > inFlight && !this.#aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    if (this.#aborted) throw new Error("A slice of the compaction could not be written.");
  }
}

let slices = new Slices();

async function compact(task: CompactionTask): Promise<CompactionFigures> {
  slices = new Slices();
  return compactInParts(task, async (after) => {
    const part = await readAndEncode(task, after);
    // The log goes only when all chunks are there, the oldest first: what is left is always the end of it.
    await slices.end();
    await deleteLog({ ...task, upTo: part.upTo }, part.rows);
    return part;
  });
}

let snapshotSince = 0;

/** While a snapshot is held nothing can move from the write-ahead log into the file, which then grows. */
function renewSnapshot(): void {
  if (performance.now() - snapshotSince < snapshotMillis) return;
  database.exec("commit; begin");
  snapshotSince = performance.now();
}

/**
 * One snapshot for everything that is read of a stream, until the slices are settled: what they write of it meanwhile is
 * not seen.
 */
async function readAndEncode(task: CompactionTask, after: number): Promise<CompactedLog> {
  const settle = async () => {
    await slices.end();
    database.exec("commit; begin");
    snapshotSince = performance.now();
  };
  database.exec("begin");
  snapshotSince = performance.now();
  try {
    return await runCompaction(task, after, source, (statements) => slices.add(statements), settle);
  } finally {
    database.exec("commit");
  }
}

async function deleteLog(task: CompactionTask, rows: CompactedLog["rows"]): Promise<void> {
  let bytes = 0;
  let seqs: number[] = [];
  const flush = async () => {
    const sql = "delete from log where bucket = ? and seq in (select value from json_each(?))";
    await slices.add([{ sql, params: [task.bucket, JSON.stringify(seqs)] }]);
    await slices.flush();
    seqs = [];
    bytes = 0;
  };
  for (const row of rows) {
    seqs.push(row.seq);
    bytes += row.bytes;
    if (bytes >= sliceLogBytes) await flush();
  }
  if (seqs.length > 0) await flush();
  await slices.add([compactedStatement(task.bucket, task.upTo)]);
  await slices.end();
}

const send = serveCompactions({
  compact,
  written: (done) => slices.settle(!done),
  close: () => database.close(),
});
