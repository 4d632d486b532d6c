import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { OperatorError, Problem } from "../errors.ts";
import type { BatchResult, Statement } from "./engine.ts";
import { SqliteError } from "./faults.ts";
import type { WriterOpened, WriterReply, WriterRequest } from "./sqlite-writer-worker.ts";

interface Waiting {
  resolve(results: readonly BatchResult[]): void;
  reject(error: unknown): void;
}

/** The event loop's side of the writer thread: one user at a time, in the order of asking. */
export class SqliteWriter implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (reply: WriterReply) => this.#settle(reply));
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", () => this.#fail(new Error("The writer thread has ended.")));
  }

  static async open(file: string): Promise<SqliteWriter> {
    const worker = new Worker(new URL("./sqlite-writer-worker.ts", import.meta.url), {
      workerData: { file },
    });
    const [opened] = (await once(worker, "message")) as [WriterOpened];
    if (opened.fault !== null) throw new OperatorError(opened.fault);
    return new SqliteWriter(worker);
  }

  /** Waits for its turn; the caller has the writer to itself until it calls what it got. */
  async acquire(): Promise<() => void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    return resolve;
  }

  /** Runs statements for whoever holds the turn. With `transaction` they are one; else they join the open one. */
  send(
    statements: readonly Statement[],
    transaction: boolean,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<readonly BatchResult[]> {
    return this.#post({ statements, transaction }, transfer);
  }

  /** Runs a script outside a transaction, for whoever holds the turn. */
  async run(script: string): Promise<void> {
    await this.#post({ statements: [], transaction: false, script });
  }

  #post(
    request: Omit<WriterRequest, "id">,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<readonly BatchResult[]> {
    if (this.#closed) return Promise.reject(gone());
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<readonly BatchResult[]>();
    this.#waiting.set(id, { resolve, reject });
    this.#worker.postMessage({ id, ...request } satisfies WriterRequest, [...transfer]);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const release = await this.acquire();
    try {
      if (this.#closed) return;
      const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
      this.#worker.postMessage("close");
      await exited;
    } finally {
      release();
    }
  }

  #settle(reply: WriterReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) return;
    this.#waiting.delete(reply.id);
    if ("results" in reply) waiting.resolve(reply.results);
    else waiting.reject(new SqliteError(reply.error.message, reply.error.errcode));
  }

  #fail(error: unknown): void {
    this.#closed = true;
    for (const waiting of this.#waiting.values()) waiting.reject(gone(error));
    this.#waiting.clear();
  }
}

const gone = (cause?: unknown): Problem =>
  new Problem("store-unavailable", {
    detail: "The database is closed.",
    ...(cause === undefined ? {} : { cause }),
  });
