import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../kernel/errors.ts";
import { CorruptBzip2 } from "./bzip2/bit-reader.ts";
import { fetchInto } from "./fetch.ts";
import { sendFrom } from "./send.ts";
import { Refused, Target, type TargetSettings } from "./target.ts";
import type { Job, Outcome } from "./threads.ts";

/** A thread that does one job after another: requests, packing and files. */

const target = new Target(workerData as TargetSettings);

parentPort?.on("message", (job: Job) => {
  const done = job.task === "fetch" ? fetchInto(target, job) : sendFrom(target, job);
  void done.then(
    (sent) => parentPort?.postMessage({ sent: sent ?? undefined } satisfies Outcome),
    (error: unknown) => parentPort?.postMessage(failure(job, error)),
  );
});

/** A single bad file or answer leaves the others alone; missing rights or a server that is gone do not. */
function failure(job: Job, error: unknown): Outcome {
  const single =
    (error instanceof Refused && error.status !== 401 && error.status !== 403) ||
    error instanceof CorruptBzip2 ||
    error instanceof SyntaxError;
  return { failed: `${job.file}: ${messageOf(error)}`, isFinal: !single };
}
