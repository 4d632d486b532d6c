import { parentPort } from "node:worker_threads";
import { messageOf } from "../errors.ts";
import type { CompactionReply, CompactionRequest } from "./compaction-thread.ts";
import type { CompactionFigures, CompactionTask } from "./storage.ts";

/** What differs between the engines; see CompactionThread for the other side. */
export interface CompactionWork {
  compact(task: CompactionTask): Promise<CompactionFigures>;
  /** A slice has been written, or could not be. */
  written?(done: boolean): void;
  close?(): void;
}

/** Answers the requests to this worker thread, for as long as it lives; returns how to send it something in between. */
export function serveCompactions(work: CompactionWork): (reply: CompactionReply) => void {
  const port = parentPort;
  if (!port) throw new Error("This file runs as a worker thread.");
  const send = (reply: CompactionReply): void => port.postMessage(reply);
  const answer = async (task: CompactionTask): Promise<void> => {
    try {
      send({ kind: "done", figures: await work.compact(task) });
    } catch (error) {
      send({ kind: "failed", message: messageOf(error) });
    }
  };
  port.on("message", (request: CompactionRequest) => {
    if (request.kind === "compact") void answer(request.task);
    else if (request.kind === "close") {
      work.close?.();
      port.close();
    } else work.written?.(request.kind === "written");
  });
  return send;
}
