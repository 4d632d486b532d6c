import type { Queryable } from "../../database/engine.ts";
import type { LogOperation } from "../codec/log-batch.ts";
import type { Stream } from "../types.ts";
import { type EditPoints, readSide, sideNumber } from "./edit-chunks.ts";
import type { EditPlan } from "./edit-plan.ts";

/**
 * The edit as the log has it: the range goes, then its new points come. Few of them stand in the row itself, as others
 * do; of many it says in which chunks they are.
 */
export async function editOperations(
  db: Queryable,
  { id: stream, bucket }: Stream,
  { range, after }: EditPlan,
  points: EditPoints,
  inlinePoints: number,
): Promise<readonly LogOperation[]> {
  const removal: LogOperation = { kind: "deleteRange", stream, range };
  const { count } = after;
  if (count === 0) return [removal];
  if (count > inlinePoints) {
    const side = sideNumber(points, "after");
    return [removal, { kind: "placeChunks", stream, edit: points.edit, side, ...after.span }];
  }
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  const texts = new Map<number, string>();
  let at = 0;
  for await (const page of readSide(db, bucket, points, "after")) {
    times.set(page.times, at);
    values.set(page.values, at);
    for (const [index, text] of page.texts ?? []) texts.set(at + index, text);
    at += page.times.length;
  }
  const streams = new Uint32Array(count).fill(stream);
  return [removal, { kind: "points", count, streams, times, values, ...(texts.size > 0 ? { texts } : {}) }];
}
