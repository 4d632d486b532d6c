import type { Log } from "../observe/log.ts";
import type { LogListener, LogNews, LogNotice, LogPlace } from "./log-notice.ts";

/** Those who want to know what comes into the log. */
export class LogListeners {
  readonly #log: Log;
  readonly #listeners = new Set<LogListener>();

  constructor(log: Log) {
    this.#log = log;
  }

  get any(): boolean {
    return this.#listeners.size > 0;
  }

  /** @returns ends it */
  add(listener: LogListener): () => void {
    // A function of its own, so that the same listener may be given twice.
    const own: LogListener = (notice, place) => listener(notice, place);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell({ place, notices }: LogNews): void {
    if (!this.any) return;
    for (const notice of notices) for (const listener of this.#listeners) this.#call(listener, notice, place);
  }

  #call(listener: LogListener, notice: LogNotice, place: LogPlace): void {
    try {
      listener(notice, place);
    } catch (error) {
      this.#log.error({ err: error, notice: notice.kind }, "a listener to the time-series log failed");
    }
  }
}
