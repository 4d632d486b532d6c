import type { Micros } from "../time.ts";
import { type EditStatement, editStatements, markStatement } from "./chunk-statements.ts";
import { type DecodedOperation, decodeLogBatch } from "./codec/log-batch.ts";
import { changesOf, compactStream } from "./compactor.ts";
import { Generation } from "./generation.ts";
import { IdMap } from "./id-map.ts";
import { type PlacedSource, placeChunks, rollupsOfPlaced } from "./placed-chunks.ts";
import { RollupCompaction } from "./rollup-compaction.ts";
import { rollupStatement, unrollStatement } from "./rollup-statements.ts";
import type { CompactionFigures, CompactionTask, LogRow, Sometimes } from "./storage.ts";
import type { StreamTail } from "./stream-tail.ts";
import type { Stream, StreamId } from "./types.ts";

/** What a compaction reads, all of one snapshot. */
export interface CompactionSource extends PlacedSource {
  /** The rows after `after`, ascending. */
  log(task: CompactionTask, after: number): AsyncIterable<LogRow> | Iterable<LogRow>;
  /** All of a stream has been read: what comes next may be of a later snapshot. */
  betweenStreams?(): void;
  /** The mode of each of the streams that exist. */
  modes(streams: readonly StreamId[]): Promise<ReadonlyMap<StreamId, Stream["mode"]>>;
  /** Where the raw points of those that lost some begin: what is older never changes any more. */
  horizons(streams: readonly StreamId[]): Promise<ReadonlyMap<StreamId, Micros>>;
}

/** Takes statements that belong into one transaction. */
export type CompactionSink = (statements: readonly EditStatement[]) => Sometimes<void>;

export interface CompactedLog {
  readonly figures: CompactionFigures;
  /** The rows that are in chunks now, ascending, and how many bytes they have. */
  readonly rows: readonly { readonly seq: number; readonly bytes: number }[];
  /** The log up to here is in chunks now: all of the task, or as much as is held in memory at once. */
  readonly upTo: number;
}

/** Rows of the log that are decoded at once, whatever is in them. */
const bytesAtOnce = 16 << 20;

/** Runs part after part until the whole task is done. */
export async function compactInParts(
  task: CompactionTask,
  part: (after: number) => Promise<CompactedLog>,
): Promise<CompactionFigures> {
  let total: CompactionFigures = { points: 0, chunksWritten: 0, corrupt: 0 };
  for (let after = -1; after < task.upTo; ) {
    const { figures, upTo } = await part(after);
    total = {
      points: total.points + figures.points,
      chunksWritten: total.chunksWritten + figures.chunksWritten,
      corrupt: total.corrupt + figures.corrupt,
    };
    after = upTo;
  }
  return total;
}

/**
 * Reads the log after `after`, groups it by stream and hands the sink what moves it into the chunks.
 * @param settle resolves when all that the sink took is written; the source sees it from then on
 */
export async function runCompaction(
  task: CompactionTask,
  after: number,
  source: CompactionSource,
  sink: CompactionSink,
  settle: () => Promise<void>,
): Promise<CompactedLog> {
  const { operations, rows, corrupt: corruptRows, upTo } = await readOperations(task, after, source);
  const generation = grouped(operations);
  let corrupt = corruptRows;
  const tails = generation.streams.toSorted((a, b) => a.id - b.id);
  const modes = await source.modes(tails.map(({ id }) => id));
  const horizons = await source.horizons(tails.map(({ id }) => id));
  const run = { task, source, sink, modes, horizons, settle };
  let chunksWritten = 0;
  for (const tail of tails) {
    const done = await compactTail(run, tail);
    chunksWritten += done.chunksWritten;
    corrupt += done.corrupt;
    tail.release();
    source.betweenStreams?.();
  }
  return { figures: { points: generation.points, chunksWritten, corrupt }, rows, upTo };
}

interface Run {
  readonly task: CompactionTask;
  readonly source: CompactionSource;
  readonly sink: CompactionSink;
  readonly settle: () => Promise<void>;
  readonly modes: ReadonlyMap<StreamId, Stream["mode"]>;
  readonly horizons: ReadonlyMap<StreamId, Micros>;
}

async function compactTail(
  { task, source, sink, settle, modes, horizons }: Run,
  tail: StreamTail,
): Promise<{ readonly chunksWritten: number; readonly corrupt: number }> {
  let chunksWritten = 0;
  let corrupt = 0;
  // A stream with an edit is cut to its newest point another time: what an edit has put there is not in one slice.
  const mode = modes.get(tail.id) === undefined || !tail.isEdited ? modes.get(tail.id) : "history";
  if (tail.placed && mode !== undefined) {
    const placing = { bucket: task.bucket, placed: tail.placed, source, settle };
    for await (const statements of placeChunks(placing)) await sink(statements);
    corrupt += await compactRollups(task.bucket, rollupsOfPlaced(placing), sink);
    await settle();
  }
  const gone = mode === undefined || tail.closed;
  const compaction = { tail, mode, slot: source.slot, horizon: task.horizon, from: horizons.get(tail.id) };
  // Before the chunks change: afterwards the newest of a stream that keeps only that might look like another.
  const changes = await changesOf(compaction);
  // Such a stream may be made to keep all again before a compaction that was cut off is repeated: all or nothing.
  const whole = mode === "last" ? gatherer() : undefined;
  const write: CompactionSink = whole?.add ?? sink;
  for await (const group of compactStream(compaction)) {
    for (const { kind } of group) {
      if (kind === "write") chunksWritten++;
      if (kind === "setAside") corrupt++;
    }
    await write(group.flatMap((edit) => editStatements(task.bucket, tail.id, edit)));
  }
  if (changes === undefined) await write([unrollStatement(task.bucket, tail.id)]);
  else corrupt += await compactRollups(task.bucket, new RollupCompaction(tail.id, changes, source), write);
  if (gone) await write([markStatement(task.bucket, tail.id, undefined)]);
  else if (tail.length > 0) await write([markStatement(task.bucket, tail.id, tail.maxTime)]);
  if (whole) await sink(whole.statements);
  return { chunksWritten, corrupt };
}

/** @returns how many pages were damaged */
async function compactRollups(
  bucket: number,
  rollups: RollupCompaction,
  write: CompactionSink,
): Promise<number> {
  for await (const edits of rollups.edits())
    await write(edits.map((edit) => rollupStatement(bucket, rollups.stream, edit)));
  return rollups.corrupt;
}

function gatherer() {
  const statements: EditStatement[] = [];
  return {
    statements,
    add: (more: readonly EditStatement[]): void => {
      statements.push(...more);
    },
  };
}

interface ReadLog {
  readonly operations: readonly DecodedOperation[];
  readonly rows: CompactedLog["rows"];
  readonly corrupt: number;
  readonly upTo: number;
}

async function readOperations(
  task: CompactionTask,
  after: number,
  source: CompactionSource,
): Promise<ReadLog> {
  const operations: DecodedOperation[] = [];
  const rows: { seq: number; bytes: number }[] = [];
  let corrupt = 0;
  let points = 0;
  let bytes = 0;
  for await (const { seq, blob } of source.log(task, after)) {
    try {
      for (const operation of decodeLogBatch(blob)) {
        operations.push(operation);
        if (operation.kind === "points") points += operation.count;
      }
      bytes += blob.length;
      rows.push({ seq, bytes: blob.length });
    } catch {
      // The row stays in the log for somebody to look at; the event loop's side has logged it when it read it.
      corrupt++;
    }
    if (points >= task.pointsAtOnce || bytes >= bytesAtOnce) return { operations, rows, corrupt, upTo: seq };
  }
  return { operations, rows, corrupt, upTo: task.upTo };
}

/** Counted first, so that no column has to grow. */
function grouped(operations: readonly DecodedOperation[]): Generation {
  const counts = new IdMap();
  for (const operation of operations)
    if (operation.kind === "points")
      for (const stream of operation.streams) counts.set(stream, (counts.get(stream) || 0) + 1);
  const generation = new Generation(new Set(), (stream) => counts.get(stream) || 0);
  for (const operation of operations) generation.apply(operation);
  return generation;
}
