/**
 * Runs `work` one at a time, so that each caller gets a run that began after it asked: whoever asks during a run waits
 * for the next one, and all who wait for that share it.
 */
export class SharedRuns {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  run(): Promise<void> {
    this.#next ??= this.#begin(this.#running);
    return this.#next;
  }

  /** Resolves when nothing runs any more; whoever asked for a run gets its fault. */
  async idle(): Promise<void> {
    while (this.#next ?? this.#running) await (this.#next ?? this.#running)?.catch(() => undefined);
  }

  async #begin(before: Promise<void> | undefined): Promise<void> {
    // Even with nothing running it begins a moment later, so that all who ask in the same turn share it.
    await (before ?? Promise.resolve()).catch(() => undefined);
    const running = this.#next;
    this.#running = running;
    this.#next = undefined;
    try {
      await this.#work();
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }
}
