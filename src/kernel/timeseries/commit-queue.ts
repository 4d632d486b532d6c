import { Problem } from "../errors.ts";
import { encodeLogBatch, type LogOperation } from "./codec/log-batch.ts";
import { PendingRow } from "./pending.ts";
import { bucketOf, type LogWrite } from "./storage.ts";
import type { PointBatch, PointValue, StreamId, TimeRange } from "./types.ts";

/** A row of the log that is committed, to be applied to the tail before the write is acknowledged. */
export interface CommittedRow {
  readonly bucket: number;
  readonly seq: number;
  readonly operations: readonly LogOperation[];
}

export interface CommitTarget {
  readonly buckets: number;
  /** What the points of a commit that is begun now will have been checked against: see Horizons. */
  horizons(): readonly number[];
  /** See Storage.commit. `operations` are those of the rows. */
  commit(
    rows: readonly LogWrite[],
    operations: readonly (readonly LogOperation[])[],
  ): Promise<readonly number[]>;
  /** Makes the rows visible. */
  settle(rows: readonly CommittedRow[]): Promise<void> | undefined;
  /** Whether the tail can take no more. */
  full(): boolean;
}

/** One commit waits for the disk while the next is encoded and sent; more in flight would only make them smaller. */
const inFlight = 2;
/** A commit of many large appends is cut here, so that no blob becomes unwieldy. */
const maxCommitPoints = 200_000;

class PendingCommit {
  readonly rows: (PendingRow | undefined)[] = [];
  readonly done = Promise.withResolvers<void>();
  /** The oldest version that any of its points was checked against. */
  readonly horizons: readonly number[];
  points = 0;

  constructor(horizons: readonly number[]) {
    this.horizons = horizons;
  }

  row(bucket: number): PendingRow {
    const known = this.rows[bucket];
    if (known) return known;
    const row = new PendingRow();
    this.rows[bucket] = row;
    return row;
  }
}

/**
 * Group commit without a timer: what arrives in one turn of the event loop, and while the commits before are on their
 * way to the disk, is written together. Batches grow by themselves under load, and a lone point waits for nobody.
 */
export class CommitQueue {
  readonly #target: CommitTarget;
  readonly #queue: PendingCommit[] = [];
  readonly #writing = new Set<PendingCommit>();
  #running = 0;
  #scheduled = false;
  #closing = false;
  #queuedPoints = 0;
  #idle: (() => void)[] = [];

  constructor(target: CommitTarget) {
    this.#target = target;
  }

  /** Points that are accepted but not yet committed. */
  get points(): number {
    return this.#queuedPoints;
  }

  put(stream: StreamId, time: number, value: PointValue): Promise<void> {
    const commit = this.#open(1);
    commit.row(bucketOf(stream, this.#target.buckets)).add(stream, time, value);
    return commit.done.promise;
  }

  append(batch: PointBatch): Promise<void> {
    const commit = this.#open(batch.count);
    const { buckets } = this.#target;
    if (buckets === 1) commit.row(0).addBatch(batch);
    else
      for (let i = 0; i < batch.count; i++) {
        const stream = batch.streams[i] as number;
        const value = batch.texts?.get(i) ?? (batch.values[i] as number);
        commit.row(bucketOf(stream, buckets)).add(stream, batch.times[i] as number, value);
      }
    return commit.done.promise;
  }

  deleteRange(stream: StreamId, range: TimeRange): Promise<void> {
    const commit = this.#open(0);
    commit.row(bucketOf(stream, this.#target.buckets)).deleteRange(stream, range);
    return commit.done.promise;
  }

  /** Waits until all that was accepted so far is committed, or has failed. */
  async drained(): Promise<void> {
    await Promise.allSettled([...this.#queue, ...this.#writing].map(({ done }) => done.promise));
  }

  /** The tail has room again. */
  resume(): void {
    this.#schedule();
  }

  /** Refuses what comes from now on, and waits until all that was accepted is committed. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#flush();
    if (this.#running === 0 && this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #open(points: number): PendingCommit {
    if (this.#closing) throw new Problem("shutting-down", { detail: "The store is being closed." });
    this.#queuedPoints += points;
    let last = this.#queue.at(-1);
    if (!last || (last.points > 0 && last.points + points > maxCommitPoints)) {
      last = new PendingCommit(this.#target.horizons());
      this.#queue.push(last);
      this.#schedule();
    }
    last.points += points;
    return last;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#running < inFlight && (this.#closing || !this.#target.full())) {
      const commit = this.#queue.shift();
      if (!commit) return;
      this.#running++;
      this.#writing.add(commit);
      void this.#write(commit);
    }
  }

  /** Never rejects: whoever waits for the commit gets its fault. */
  async #write(commit: PendingCommit): Promise<void> {
    try {
      const rows = commit.rows.flatMap((row, bucket) => (row ? [{ bucket, row }] : []));
      const writes = rows.map(({ bucket, row }) => ({
        bucket,
        points: row.points,
        blob: encodeLogBatch(row.operations),
        horizons: commit.horizons[bucket] ?? 0,
      }));
      const operations = rows.map(({ row }) => row.operations);
      const seqs = await this.#target.commit(writes, operations);
      const settling = this.#target.settle(
        rows.map(({ bucket, row }, i) => ({ bucket, seq: seqs[i] ?? 0, operations: row.operations })),
      );
      if (settling) await settling;
      for (const { row } of rows) row.recycle();
      commit.done.resolve();
    } catch (error) {
      commit.done.reject(error);
    }
    this.#running--;
    this.#writing.delete(commit);
    this.#queuedPoints -= commit.points;
    this.#schedule();
    if (this.#running === 0 && this.#queue.length === 0) for (const wake of this.#idle.splice(0)) wake();
  }
}
