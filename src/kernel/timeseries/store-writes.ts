import { afterCommit, type Tx } from "../database/engine.ts";
import { Problem } from "../errors.ts";
import type { Clock, Micros } from "../time.ts";
import type { Catalogue } from "./catalogue.ts";
import {
  checkBatch,
  checkBatchNotExpired,
  checkKey,
  checkNotExpired,
  checkNumber,
  checkRange,
  checkText,
} from "./checks.ts";
import type { LogOperation } from "./codec/log-batch.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { Compaction } from "./compaction.ts";
import { removeEdits } from "./edits/edit-store.ts";
import type { Horizons } from "./horizons.ts";
import type { LogFollower } from "./log-follower.ts";
import { appendInTransaction } from "./log-in-transaction.ts";
import { touches } from "./log-touches.ts";
import type { LogWrite, Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";
import type { PointBatch, PointValue, StreamId, TimeRange } from "./types.ts";

export interface WriteOptions {
  /** Beyond these the tail takes no more until it is compacted. */
  readonly maxTailPoints: number;
  readonly maxTailBytes: number;
}

export interface WriteParts {
  readonly storage: Storage;
  readonly tail: Tail;
  readonly follower: LogFollower;
  readonly compaction: Compaction;
  readonly catalogue: Catalogue;
  readonly horizons: Horizons;
  readonly buckets: number;
  readonly clock: Clock;
}

/** Everything that writes: checked at the door, committed to the log, then laid into the tail. */
export class StoreWrites {
  readonly queue: CommitQueue;
  readonly #parts: WriteParts;
  readonly #options: WriteOptions;
  #commits = 0;
  #points = 0;
  #expired = 0;

  constructor(parts: WriteParts, options: WriteOptions) {
    this.#parts = parts;
    this.#options = options;
    this.queue = new CommitQueue({
      buckets: parts.buckets,
      horizons: () => parts.horizons.versions,
      commit: (rows, operations) => this.#commit(rows, operations),
      settle: (rows) => {
        this.#commits++;
        const settling = parts.follower.settle(rows);
        parts.compaction.consider();
        return settling;
      },
      full: () => this.#isFull(0),
    });
  }

  get commits(): number {
    return this.#commits;
  }

  /** Accepted so far. */
  get points(): number {
    return this.#points;
  }

  /** Refused since they were older than their stream keeps. */
  get expired(): number {
    return this.#expired;
  }

  put(stream: StreamId, time: Micros, value: PointValue): Promise<void> {
    const { horizons } = this.#parts;
    try {
      checkKey(stream, time);
      if (typeof value === "number") checkNumber(value);
      else checkText(value);
      if (time < horizons.door(stream))
        this.#checkDoor(() => checkNotExpired("time", time, horizons.door(stream)), 1);
      this.#points++;
      return this.queue.put(stream, time, value);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  append(batch: PointBatch): Promise<void> {
    const { horizons, compaction } = this.#parts;
    try {
      checkBatch(batch);
      if (batch.count === 0) return Promise.resolve();
      if (horizons.any)
        this.#checkDoor(() => checkBatchNotExpired(batch, (id) => horizons.door(id)), batch.count);
      if (this.isFull(0)) {
        compaction.consider();
        throw new Problem("store-busy", {
          detail: "The store is compacting what came before; send this again in a second.",
          headers: { "retry-after": "1" },
        });
      }
      this.#points += batch.count;
      return this.queue.append(batch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async deleteRange(stream: StreamId, range: TimeRange): Promise<void> {
    checkRange(stream, range);
    if (range.from >= range.to) return;
    checkNotExpired("from", range.from, this.#parts.horizons.door(stream));
    await this.queue.deleteRange(stream, range);
  }

  async dropStreams(tx: Tx, streams: readonly StreamId[]): Promise<void> {
    const { catalogue, horizons, follower, buckets, clock } = this.#parts;
    for (const stream of streams) checkKey(stream, 0);
    if (streams.length === 0) return;
    await catalogue.remove(tx, streams);
    const rows = await appendInTransaction(tx, streams, buckets, clock.now());
    // After the head of the log is locked: the order in which horizons move.
    await horizons.remove(tx, streams);
    await removeEdits(tx, streams);
    afterCommit(tx, () => {
      // Where rows before these are still on their way to the tail, they are read from the log with them.
      follower.settle(rows)?.catch(() => follower.recover());
    });
  }

  /** Whether the tail, with what is on its way to it, has no room for so many points more. */
  isFull(points: number): boolean {
    return this.#isFull(this.queue.points + points);
  }

  async #commit(
    rows: readonly LogWrite[],
    operations: readonly (readonly LogOperation[])[],
  ): Promise<readonly number[]> {
    try {
      return await this.#parts.storage.commit(rows, (stale) => this.#recheck(stale, operations));
    } catch (error) {
      // The connection may have gone after the commit: what is in the log all the same belongs into the tail.
      this.#parts.follower.recover();
      throw error;
    }
  }

  /**
   * Another node has moved horizons since the points were taken in at the door. It said so in time: unless this node
   * stood still meanwhile, nothing of the commit is that old.
   */
  async #recheck(
    rows: readonly LogWrite[],
    operations: readonly (readonly LogOperation[])[],
  ): Promise<readonly LogWrite[]> {
    const { follower, horizons } = this.#parts;
    await follower.refresh();
    const isOld = (stream: StreamId, time: Micros): boolean => time < horizons.of(stream);
    if (operations.flat().some((operation) => touches(operation, isOld)))
      throw new Problem("store-busy", {
        detail: "Points have expired while this was being stored, so nothing of it was; send it again.",
        headers: { "retry-after": "1" },
      });
    return rows.map((row) => ({ ...row, horizons: horizons.versions[row.bucket] ?? 0 }));
  }

  /** Counts what is refused. */
  #checkDoor(check: () => void, points: number): void {
    try {
      check();
    } catch (error) {
      this.#expired += points;
      throw error;
    }
  }

  #isFull(more: number): boolean {
    const { tail } = this.#parts;
    const { maxTailPoints, maxTailBytes } = this.#options;
    return tail.points + more >= maxTailPoints || tail.bytes + 16 * more >= maxTailBytes;
  }
}
