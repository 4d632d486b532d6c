import { messageOf } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Millis } from "../../kernel/time.ts";

const everyMillis: Millis = 3_600_000;
/** The start is not slowed down by it. */
const firstMillis: Millis = 60_000;

/** Deletes what has expired, soon after the start and then once an hour. */
export class ExpiryRuns implements AsyncDisposable {
  readonly #kernel: Kernel;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  start(): void {
    this.#schedule(firstMillis);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  #schedule(millis: Millis): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#run().finally(() => {
        if (this.#timer) this.#schedule(everyMillis);
      });
    }, millis).unref();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { timeseries, log } = this.#kernel;
    try {
      const streams = await timeseries.retention.run();
      if (streams > 0) log.info({ streams }, "expired points were deleted");
    } catch (error) {
      log.error({ error: messageOf(error) }, "expired points could not be deleted; the next run tries again");
    }
  }
}
