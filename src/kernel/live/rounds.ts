import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";

/** Between two rounds, milliseconds: what comes meanwhile goes together. Longer when rounds take long. */
const leastPause = 20;
const longestPause = 100;
const retryMillis = 500;

export interface RoundsOptions {
  readonly log: Log;
  readonly hasWork: () => boolean;
  /** One round; what a failed one has not done yet must still be there for the next. */
  readonly run: () => Promise<void>;
}

/** Runs rounds for as long as there is work: the first at once, the next ones after a pause. */
export class Rounds {
  readonly #options: RoundsOptions;
  #begin: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;
  #failing = false;
  #ended = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** None begins before this has settled. */
  startAfter(begin: Promise<unknown>): void {
    this.#begin = begin;
  }

  /** There is work. */
  wake(): void {
    if (this.#ended) return;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  /** Begins no other round; resolves when the one that runs is over. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#begin;
    await this.#running;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    await this.#begin;
    await nextTurn();
    while (!this.#ended && this.#options.hasWork())
      await delay(await this.#round(), undefined, { ref: false });
  }

  /** @returns how long to pause */
  async #round(): Promise<number> {
    const began = performance.now();
    try {
      await this.#options.run();
      this.#failing = false;
      return Math.min(longestPause, Math.max(leastPause, performance.now() - began));
    } catch (error) {
      const text = { error: messageOf(error) };
      if (!this.#failing) this.#options.log.warn(text, "live push is held up; trying again");
      this.#failing = true;
      return retryMillis;
    }
  }
}
