import { Worker } from "node:worker_threads";
import type { EditStatement } from "./chunk-statements.ts";
import type { CompactionFigures, CompactionTask } from "./storage.ts";

export type CompactionReply =
  /** To be written in one transaction, and answered with `written`: SQLite has one writer. */
  | { readonly kind: "slice"; readonly statements: readonly EditStatement[] }
  | { readonly kind: "done"; readonly figures: CompactionFigures }
  | { readonly kind: "failed"; readonly message: string };

export type CompactionRequest =
  | { readonly kind: "compact"; readonly task: CompactionTask }
  | { readonly kind: "written" }
  /** The slice could not be written: give up. */
  | { readonly kind: "abort" }
  | { readonly kind: "close" };

export interface CompactionThreadOptions {
  readonly file: URL;
  readonly data: unknown;
  /** Writes a slice in one transaction. */
  readonly write?: (statements: readonly EditStatement[]) => Promise<unknown>;
}

/** The event loop's side of the compaction thread: started with the first compaction, then kept. */
export class CompactionThread implements AsyncDisposable {
  readonly #options: CompactionThreadOptions;
  #worker: Worker | undefined;
  #running: PromiseWithResolvers<CompactionFigures> | undefined;
  #fault: unknown;

  constructor(options: CompactionThreadOptions) {
    this.#options = options;
  }

  async run(task: CompactionTask): Promise<CompactionFigures> {
    if (this.#running) throw new Error("A compaction is running already.");
    const running = Promise.withResolvers<CompactionFigures>();
    this.#running = running;
    this.#fault = undefined;
    this.#send({ kind: "compact", task });
    try {
      return await running.promise;
    } finally {
      this.#running = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    if (this.#running) {
      // What it has written so far is no loss: the next compaction does it again.
      await worker.terminate();
      return;
    }
    this.#send({ kind: "close" });
    await exited;
  }

  #send(request: CompactionRequest): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    const worker = new Worker(this.#options.file, { workerData: this.#options.data });
    worker.on("message", (reply: CompactionReply) => this.#receive(reply));
    worker.on("error", (error) => this.#running?.reject(error));
    worker.on("exit", () => {
      this.#worker = undefined;
      this.#running?.reject(new Error("The compaction thread has ended."));
    });
    return worker;
  }

  #receive(reply: CompactionReply): void {
    if (reply.kind === "done") this.#running?.resolve(reply.figures);
    else if (reply.kind === "failed") this.#running?.reject(this.#fault ?? new Error(reply.message));
    else void this.#write(reply.statements);
  }

  async #write(statements: readonly EditStatement[]): Promise<void> {
    let written = true;
    try {
      await this.#options.write?.(statements);
    } catch (error) {
      written = false;
      this.#fault = error;
    }
    this.#worker?.postMessage({ kind: written ? "written" : "abort" } satisfies CompactionRequest);
  }
}
