import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { DatabaseConfig } from "../../src/kernel/config/config.ts";
import type { LogStructuredStore } from "../../src/kernel/timeseries/log-structured-store.ts";
import { pointsOf } from "../store.ts";
import { Expected, stepAt, stepOfStamp } from "./store-history.ts";

const writerFile = fileURLToPath(new URL("./store-writer.ts", import.meta.url));

/** See store-writer.ts. */
export interface WriterTask {
  readonly database: DatabaseConfig;
  readonly ids: readonly number[];
  readonly first: number;
  /** Default 400. */
  readonly leaseMillis?: number;
}

/** A running writer; at the end of the test it is gone whatever became of it. */
export class Writer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #reading: Promise<void>;
  #last = -1;
  #count = 0;
  #killAt = Number.POSITIVE_INFINITY;

  constructor(task: WriterTask, file = writerFile) {
    this.#process = spawn(process.execPath, [file, JSON.stringify(task)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#exited = once(this.#process, "exit");
    this.#reading = this.#read();
  }

  /** The last acknowledged step, and how many there were. */
  get last(): number {
    return this.#last;
  }

  get count(): number {
    return this.#count;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Lets it acknowledge so many steps, then kills it; returns the last acknowledged step. */
  async killedAfter(acknowledgements: number): Promise<number> {
    this.#killAt = acknowledgements;
    return this.killed();
  }

  /** Waits for its end, which must be by SIGKILL. */
  async killed(): Promise<number> {
    await this.#reading;
    await this.#exited;
    expect(this.#process.signalCode).toBe("SIGKILL");
    return this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#exited;
  }

  async #read(): Promise<void> {
    if (!this.#process.stdout) throw new Error("The writer has no output.");
    for await (const line of createInterface({ input: this.#process.stdout })) {
      this.#last = Math.max(this.#last, Number(line));
      if (++this.#count === this.#killAt) this.signal("SIGKILL");
    }
  }
}

/** How many steps a store holds after its writer is gone: all acknowledged ones, and perhaps some more. */
export async function stepsStored(
  store: LogStructuredStore,
  ids: readonly number[],
  acknowledged: number,
): Promise<number> {
  const stamps = await pointsOf(store, ids[0] ?? 0);
  const count = 1 + stepOfStamp(stamps.at(-1)?.time ?? 0);
  // A deletion or an edit leaves no stamp: it is there when it was acknowledged, and may be there when it was sent.
  const done = count <= acknowledged || (await isDone(store, ids, count));
  return done ? count + 1 : count;
}

async function isDone(store: LogStructuredStore, ids: readonly number[], k: number): Promise<boolean> {
  const step = stepAt(k);
  if (step.kind === "append") return false;
  const id = ids[step.stream] ?? 0;
  const points = await pointsOf(store, id, step.range);
  if (step.kind === "delete") return points.length === 0;
  const before = new Expected();
  before.advance(k);
  const [first] = points;
  return first?.value !== before.points[step.stream]?.get(first?.time ?? 0);
}
