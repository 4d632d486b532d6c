import { messageOf } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/observe/log.ts";

const retryMs = 1000;

/**
 * Work that brings what is in memory, or on the broker, up to what is committed: one run at a time, again when something
 * was committed meanwhile, and after a while when it failed.
 */
export class Following implements Disposable {
  readonly #work: () => Promise<void>;
  readonly #log: Log;
  /** For the log: what could not be done. */
  readonly #what: string;
  #pending = true;
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(work: () => Promise<void>, log: Log, what: string) {
    this.#work = work;
    this.#log = log;
    this.#what = what;
  }

  /** Something was committed; many of these in one turn of the event loop are one run. */
  ask(): void {
    this.#pending = true;
    if (!this.#running) setImmediate(() => void this.settle());
  }

  /** Resolves when everything asked for so far is done. Never rejects: what fails is tried again. */
  settle(): Promise<void> {
    if (this.#pending) this.#running ??= this.#run();
    return this.#running ?? Promise.resolve();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
  }

  async #run(): Promise<void> {
    while (this.#pending) {
      this.#pending = false;
      try {
        await this.#work();
      } catch (error) {
        this.#pending = true;
        this.#log.warn({ error: messageOf(error) }, `${this.#what}; trying again`);
        this.#retry = setTimeout(() => void this.settle(), retryMs).unref();
        break;
      }
    }
    // In the same turn as the last look at what is pending, so that nothing falls in between.
    this.#running = undefined;
  }
}
