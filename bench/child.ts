import { fork } from "node:child_process";
import { once } from "node:events";

/** Runs a module of this folder as a process of its own and gives its answer; it is ended when it takes too long. */
export async function askChild<T>(module: string, task: unknown, timeoutMs = 120_000): Promise<T> {
  await using child = startChild(module, task, timeoutMs);
  return (await child.next()) as T;
}

export interface Child extends AsyncDisposable {
  /** Its next message. */
  next(): Promise<unknown>;
  send(message: object): void;
}

export function startChild(module: string, task: unknown, timeoutMs = 120_000): Child {
  const child = fork(new URL(module, import.meta.url), [JSON.stringify(task)], {
    timeout: timeoutMs,
    // As bin/busbar starts the server.
    execArgv: ["--max-semi-space-size=16", "--heap-growing-percent=40"],
    env: { ...process.env, MALLOC_MMAP_THRESHOLD_: "131072" },
  });
  const ended = once(child, "exit");
  const messages: unknown[] = [];
  let waiting: ((message: unknown) => void) | undefined;
  child.on("message", (message) => {
    if (waiting === undefined) messages.push(message);
    else waiting(message);
    waiting = undefined;
  });
  const failed = ended.then(([code]) => {
    throw new Error(`${module} ended with ${code} before it answered`);
  });
  failed.catch(() => {
    // Whoever waits for a message hears of it.
  });
  return {
    next: () => {
      if (messages.length > 0) return Promise.resolve(messages.shift());
      const { promise, resolve } = Promise.withResolvers<unknown>();
      waiting = resolve;
      return Promise.race([promise, failed]);
    },
    send: (message) => {
      child.send(message);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

/** The task of the process that `startChild` started. */
export const taskOf = <T>(): T => JSON.parse(process.argv[2] ?? "null") as T;

export function answer(message: object): void {
  process.send?.(message);
}
