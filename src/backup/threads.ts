import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Fetch } from "./fetch.ts";
import type { Send, Sent } from "./send.ts";
import type { TargetSettings } from "./target.ts";

export type Job = Fetch | Send;

export type Outcome =
  | { readonly sent: Sent | undefined; readonly failed?: never }
  | { readonly failed: string; readonly isFinal: boolean; readonly sent?: never };

/** Something that makes going on useless, like a server that is gone. */
export class CannotGoOn extends Error {
  override readonly name = "CannotGoOn";
}

/** Threads that work on one list of jobs. */
export class Threads implements AsyncDisposable {
  readonly #threads: readonly Worker[];

  constructor(count: number, settings: TargetSettings) {
    const file = new URL("./chunk-worker.ts", import.meta.url);
    this.#threads = Array.from({ length: count }, () => new Worker(file, { workerData: settings }));
  }

  /**
   * Does all jobs in about their order; `done` hears of each. Takes no more of them once `stopping` is true.
   * @throws CannotGoOn
   */
  async doAll<T extends Job>(
    jobs: Iterable<T>,
    done: (job: T, outcome: Outcome) => void,
    stopping: () => boolean,
  ): Promise<void> {
    const iterator = jobs[Symbol.iterator]();
    let failed = false;
    const work = async (thread: Worker): Promise<void> => {
      while (!failed && !stopping()) {
        const next = iterator.next();
        if (next.done === true) return;
        const outcome = await doOne(thread, next.value);
        done(next.value, outcome);
        if (outcome.failed === undefined || !outcome.isFinal) continue;
        failed = true;
        throw new CannotGoOn(outcome.failed);
      }
    };
    const all = await Promise.allSettled(this.#threads.map(work));
    for (const one of all) if (one.status === "rejected") throw one.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

async function doOne(thread: Worker, job: Job): Promise<Outcome> {
  const answered = once(thread, "message") as Promise<[Outcome]>;
  thread.postMessage(job);
  return (await answered)[0];
}
