import { randomUUID } from "node:crypto";
import type pg from "pg";
import { asProblem } from "../database/faults.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { CompactionLease } from "./storage.ts";

/** The database's own clock, milliseconds: those of the nodes may differ. */
const databaseNow = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** The inner select sees the row as it was before. */
const take = `update log_head set lease_owner = $2, lease_until = ${databaseNow} + $3, fence = fence + 1
  where bucket = $1 and (lease_owner is null or lease_owner = $2 or lease_until < ${databaseNow})
  returning fence, (select former.lease_owner from log_head former where former.bucket = $1) as former`;
/** One that ran out and that nobody took is still ours. */
const renew = `update log_head set lease_until = ${databaseNow} + $3 where bucket = $1 and lease_owner = $2`;
const release =
  "update log_head set lease_owner = null, lease_until = 0 where bucket = $1 and lease_owner = $2";

const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name = $1`;

/** How often a lease is renewed, or asked for, before it would run out. */
const perLease = 6;

/** With a sixth of it between two tries, a node that has died is replaced within 7 seconds. */
export const defaultLeaseMillis = 6000;
export const retryMillisOf = (leaseMillis: number): number => Math.ceil(leaseMillis / perLease);

/** The name of the owner's session while it compacts. */
export const sessionOf = (owner: string): string => `busbar compaction ${owner}`;

/**
 * Who may compact: rows of `log_head`, one per bucket. A node takes all of them in ascending order or none, so that
 * two of them never wait for each other. The lease only saves work that would be in vain; that nothing wrong is
 * written without it is seen to by the end of the compaction's own transaction: it checks the fence of the bucket, which
 * grows with each taking of the lease. See postgres-compaction-worker.ts.
 */
export class PostgresLease implements CompactionLease {
  /** Another one for each store that is opened: nobody takes up what a process before has left. */
  readonly owner = randomUUID();
  readonly retryMillis: number;
  readonly #pool: pg.Pool;
  readonly #log: Log;
  readonly #buckets: number;
  readonly #millis: number;
  readonly #fences: number[] = [];
  #holding: Promise<unknown> = Promise.resolve();
  #takeovers = 0;

  /** @param millis how long it lasts when it is not renewed */
  constructor(pool: pg.Pool, log: Log, buckets: number, millis: number) {
    this.#pool = pool;
    this.#log = log;
    this.#buckets = buckets;
    this.#millis = millis;
    this.retryMillis = retryMillisOf(millis);
  }

  get takeovers(): number {
    return this.#takeovers;
  }

  /** Of the last time the bucket's lease was taken. */
  fence(bucket: number): number {
    return this.#fences[bucket] ?? 0;
  }

  hold(work: () => Promise<void>): Promise<boolean> {
    const holding = this.#hold(work);
    this.#holding = holding.catch(() => undefined);
    return holding;
  }

  /** Resolves when it is not held any more. */
  async idle(): Promise<void> {
    await this.#holding;
  }

  async #hold(work: () => Promise<void>): Promise<boolean> {
    let taken = 0;
    try {
      while (taken < this.#buckets && (await this.#take(taken))) taken++;
      if (taken < this.#buckets) return false;
      await this.#renewing(work);
      return true;
    } finally {
      await this.#release(taken);
    }
  }

  async #take(bucket: number): Promise<boolean> {
    const [row] = (await this.#query<{ fence: number; former: string | null }>(take, bucket, this.#millis))
      .rows;
    if (!row) return false;
    this.#fences[bucket] = row.fence;
    if (row.former !== null && row.former !== this.owner) await this.#replaced(bucket, row.former);
    return true;
  }

  /** Where the former owner only hangs, its transaction would keep locks until its connection is given up. */
  async #replaced(bucket: number, former: string): Promise<void> {
    this.#takeovers++;
    this.#log.warn({ bucket, former }, "a node let its lease for compaction run out; this one takes over");
    try {
      await this.#pool.query(terminate, [sessionOf(former)]);
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, "the former owner's session could not be ended");
    }
  }

  async #renewing(work: () => Promise<void>): Promise<void> {
    let renewing = Promise.resolve();
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      renewing = this.#renew().finally(() => {
        busy = false;
      });
    }, this.retryMillis);
    try {
      await work();
    } finally {
      clearInterval(timer);
      await renewing;
    }
  }

  async #renew(): Promise<void> {
    try {
      for (let bucket = 0; bucket < this.#buckets; bucket++)
        if (!(await this.#update(renew, bucket, this.#millis)))
          this.#log.warn({ bucket }, "another node has taken over the compaction");
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, "the lease for compaction could not be renewed");
    }
  }

  async #release(taken: number): Promise<void> {
    try {
      for (let bucket = 0; bucket < taken; bucket++) await this.#update(release, bucket);
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, "the lease for compaction was not given back; it runs out");
    }
  }

  async #update(text: string, bucket: number, ...millis: number[]): Promise<boolean> {
    return (await this.#query(text, bucket, ...millis)).rowCount === 1;
  }

  async #query<R extends pg.QueryResultRow>(
    text: string,
    bucket: number,
    ...millis: number[]
  ): Promise<pg.QueryResult<R>> {
    try {
      return await this.#pool.query<R>(text, [bucket, this.owner, ...millis]);
    } catch (error) {
      throw asProblem(error);
    }
  }
}
