import { setTimeout as delay } from "node:timers/promises";
import { messageOf, Problem } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Generation } from "./generation.ts";
import type { LogFollower } from "./log-follower.ts";
import type { CompactionFigures, Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";

export interface CompactionOptions {
  /** Compact when the tail has so many points, or bytes. */
  readonly points: number;
  readonly bytes: number;
  /** Compact what has waited so long, milliseconds. */
  readonly age: number;
}

export interface CompactionParts {
  readonly storage: Storage;
  readonly tail: Tail;
  readonly follower: LogFollower;
  readonly log: Log;
  readonly buckets: number;
  /** The newest time that counts as 'latest'. */
  horizon(): number;
}

/** After a failure, before the next try. */
const retryMillis = 5000;
/** How long closing waits for a running compaction. */
const closeMillis = 2000;

/** Decides when the tail moves into chunks, and sees it through. One at a time. */
export class Compaction {
  readonly #parts: CompactionParts;
  readonly #options: CompactionOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #oldest: number | undefined;
  #notBefore = 0;
  #runs = 0;
  #corrupt = 0;
  #closed = false;
  readonly #closing = new AbortController();
  /** What the frozen generation reaches to, per bucket. */
  #upTo: readonly number[] = [];

  constructor(parts: CompactionParts, options: CompactionOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#timer = setInterval(() => this.consider(), Math.min(options.age, retryMillis)).unref();
  }

  get runs(): number {
    return this.#runs;
  }

  get corrupt(): number {
    return this.#corrupt;
  }

  /** Looks whether there is enough, or old enough, to compact. Cheap: called after each commit. */
  consider(): void {
    const { tail } = this.#parts;
    if (tail.points === 0 && tail.bytes === 0) return;
    const now = performance.now();
    this.#oldest ??= now;
    if (this.#running || this.#closed || now < this.#notBefore || !this.#isDue(now)) return;
    this.#once(() => this.#isDue(now)).catch((error: unknown) => {
      if (this.#closed) return;
      this.#notBefore = performance.now() + retryMillis;
      this.#parts.log.error({ error: messageOf(error) }, "compaction failed; it will be tried again");
    });
  }

  /** Part of the tail is in chunks: what is left is younger. */
  dropped(): void {
    this.#oldest = undefined;
  }

  /**
   * Compacts everything that is in the tail now, after another node has finished its own.
   * @throws Problem `shutting-down`
   */
  async run(): Promise<void> {
    while (!(await this.#once(() => true))) {
      const { signal } = this.#closing;
      await delay(this.#parts.storage.lease?.retryMillis, undefined, { signal }).catch(() => undefined);
      if (this.#closed) throw new Problem("shutting-down", { detail: "The store is being closed." });
    }
  }

  #isDue(now: number): boolean {
    const { tail } = this.#parts;
    return (
      tail.frozen !== undefined ||
      tail.hasPlaced ||
      tail.activePoints >= this.#options.points ||
      tail.activeBytes >= this.#options.bytes ||
      now - (this.#oldest ?? now) >= this.#options.age
    );
  }

  /** @returns false while another node compacts; then it is considered again soon */
  async #once(isDue: () => boolean): Promise<boolean> {
    while (this.#running) await this.#running;
    const { lease } = this.#parts.storage;
    const held = lease ? lease.hold(() => this.#compactShared(isDue)) : this.#compactAll().then(() => true);
    const running = held.then(
      (done) => {
        if (!done) this.#considerAgain(lease?.retryMillis ?? 0);
      },
      (error: unknown) => {
        // Before it is considered again, which would begin at once.
        this.#notBefore = performance.now() + retryMillis;
        throw error;
      },
    );
    this.#running = running.finally(() => {
      this.#running = undefined;
      // A full tail takes no commits, so that none would ask.
      this.consider();
    });
    await this.#running;
    return held;
  }

  #considerAgain(millis: number): void {
    this.#notBefore = performance.now() + millis;
    setTimeout(() => {
      this.#notBefore = 0;
      this.consider();
    }, millis).unref();
  }

  /** What another node has compacted until now is gone from the tail first; little may be left. */
  async #compactShared(isDue: () => boolean): Promise<void> {
    await this.#parts.follower.refresh();
    if (isDue()) await this.#compactAll();
  }

  /** Does what must not meet a compaction: none runs meanwhile. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
    if (this.#closed) return;
    const done = work();
    this.#running = done
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
        this.consider();
      });
    await done;
  }

  /**
   * No other starts. A running one may end where that does not take long: the storage cuts it off otherwise, which
   * loses nothing.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    clearInterval(this.#timer);
    const waiting = new AbortController();
    const running = (this.#running ?? Promise.resolve()).catch(() => undefined);
    await Promise.race([
      running.then(() => waiting.abort()),
      delay(closeMillis, undefined, { signal: waiting.signal }).catch(() => undefined),
    ]);
  }

  async #compactAll(): Promise<void> {
    // A generation that an attempt before could not finish goes first, up to the same row.
    const { tail, follower, buckets } = this.#parts;
    if (tail.frozen) await this.#compact(tail.frozen);
    this.#upTo = follower.freeze(buckets);
    this.#oldest = undefined;
    if (tail.frozen) await this.#compact(tail.frozen);
    await this.#tidy();
  }

  async #compact(generation: Generation): Promise<void> {
    const { tail, follower, storage, buckets, log } = this.#parts;
    const started = performance.now();
    let figures: CompactionFigures = { points: 0, chunksWritten: 0, corrupt: 0 };
    for (let bucket = 0; bucket < buckets; bucket++) {
      const upTo = this.#upTo[bucket] ?? 0;
      const done = await storage.compact({
        bucket,
        upTo,
        horizon: this.#parts.horizon(),
        pointsAtOnce: this.#options.points,
      });
      figures = {
        points: figures.points + done.points,
        chunksWritten: figures.chunksWritten + done.chunksWritten,
        corrupt: figures.corrupt + done.corrupt,
      };
    }
    // Where the heads of the log were read meanwhile it may be gone already.
    if (tail.frozen === generation) follower.dropFrozen();
    this.#runs++;
    this.#corrupt += figures.corrupt;
    log.debug({ ...figures, millis: Math.round(performance.now() - started) }, "compacted");
  }

  /** Space that will be needed again at once is not given back: only where little came in meanwhile. */
  async #tidy(): Promise<void> {
    const { tail, storage, log } = this.#parts;
    const quiet = () => !this.#closed && tail.activePoints < this.#options.points / 10;
    try {
      await storage.tidy(quiet);
    } catch (error) {
      log.warn({ error: messageOf(error) }, "space that was freed could not be given back yet");
    }
  }
}
