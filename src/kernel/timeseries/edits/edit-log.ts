import { decodeChunk } from "../codec/chunk.ts";
import type { LogOperation } from "../codec/log-batch.ts";
import type { StreamId } from "../types.ts";
import type { EditPlan } from "./edit-plan.ts";

/** The edit as the log has it: the range goes, then its new points come. */
export function editOperations(stream: StreamId, { range, after }: EditPlan): readonly LogOperation[] {
  const { count, blobs } = after;
  const removal: LogOperation = { kind: "deleteRange", stream, range };
  if (count === 0) return [removal];
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  const texts = new Map<number, string>();
  let at = 0;
  for (const blob of blobs) {
    const page = decodeChunk(blob);
    times.set(page.times, at);
    values.set(page.values, at);
    for (const [index, text] of page.texts ?? []) texts.set(at + index, text);
    at += page.times.length;
  }
  const streams = new Uint32Array(count).fill(stream);
  return [removal, { kind: "points", count, streams, times, values, ...(texts.size > 0 ? { texts } : {}) }];
}
