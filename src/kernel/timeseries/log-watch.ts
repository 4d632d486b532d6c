import type { Hints } from "../database/engine.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";

const retryMillis = 200;
/** Of the hints to other nodes. */
const topic = "log";

export interface WatchOptions {
  /** How often to look where no hint came. */
  readonly pollMillis: number;
  readonly hints: Hints;
}

/** When the log is looked at without anybody reading: on word of another node, now and then, after a lost answer. */
export class LogWatch {
  readonly #refresh: () => Promise<void>;
  readonly #log: Log;
  #hints: Hints | undefined;
  #unlisten: (() => void) | undefined;
  #poll: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(refresh: () => Promise<void>, log: Log) {
    this.#refresh = refresh;
    this.#log = log;
  }

  async start({ pollMillis, hints }: WatchOptions): Promise<void> {
    this.#hints = hints;
    this.#poll = setInterval(() => this.#look(), pollMillis).unref();
    this.#unlisten = await hints.listen(topic, () => this.#look());
  }

  /** Keeps trying to refresh, for as long as the database is away. */
  recover(): void {
    if (this.#retry || this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#refresh().catch((error: unknown) => {
        this.#log.warn({ error: messageOf(error) }, "the log cannot be read; it will be tried again");
        this.recover();
      });
    }, retryMillis).unref();
  }

  /** Rows of this node are committed. */
  tellOthers(): void {
    this.#hints?.tell(topic);
  }

  /** Before rows leave the log, so that others get to see them there. */
  tellAtOnce(): void {
    this.#hints?.flush();
  }

  close(): void {
    this.#closed = true;
    this.#unlisten?.();
    clearTimeout(this.#retry);
    clearInterval(this.#poll);
  }

  #look(): void {
    if (!this.#retry && !this.#closed) this.#refresh().catch(() => this.recover());
  }
}
