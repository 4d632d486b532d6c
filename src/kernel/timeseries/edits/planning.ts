import type { Queryable } from "../../database/engine.ts";
import { Problem } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import type { Reader } from "../reader.ts";
import { allTime, type Stream, type StreamId, type TimeRange } from "../types.ts";
import { differences } from "./differences.ts";
import { readSide, type Side } from "./edit-chunks.ts";
import { type Neighbours, type NumberAt, type RangeOperation, transformOf } from "./edit-operation.ts";
import { type ChunkSink, type EditPlan, EditSide } from "./edit-plan.ts";
import type { StreamEdit } from "./edit-store.ts";

/** Beside a range of nothing but texts a number is not looked for for ever. */
const maxLookups = 200;

export interface PlanParts {
  readonly reader: Reader;
  readonly horizon: Micros;
  readonly db: Queryable;
  readonly maxPoints: number;
  /** Told as soon as it is known: see EditPlan. */
  basis(basis: TimeRange): void;
  /** Takes the chunks of a side; absent in a preview. */
  readonly sink?: (side: Side) => ChunkSink;
}

/** @throws Problem `invalid-request`, `too-large` */
export async function planEdit(
  parts: PlanParts,
  { id }: Stream,
  { operation, range }: { readonly operation: RangeOperation; readonly range: TimeRange },
): Promise<EditPlan> {
  const { reader, horizon, maxPoints, sink } = parts;
  const neighbours = await neighboursOf(reader, horizon, id, range);
  const basis = basisOf(operation, range, neighbours);
  parts.basis(basis);
  const transform = transformOf(operation, neighbours);
  const before = new EditSide(maxPoints, sink?.("before"));
  const after = new EditSide(maxPoints, sink?.("after"));
  for await (const page of reader.read(id, range)) {
    await before.add(page);
    await after.add(transform(page));
  }
  await before.end();
  await after.end();
  return { operation, range, basis, before, after, neighbours, points: undefined };
}

/** @throws Problem `conflict` naming what has changed since the edit */
export async function planUndo(
  parts: PlanParts,
  { bucket }: Stream,
  { id, stream, range, points }: StreamEdit,
): Promise<EditPlan> {
  const { reader, horizon, db, maxPoints } = parts;
  parts.basis(range);
  const { count, times } = await differences(
    reader.read(stream, range),
    readSide(db, bucket, points, "after"),
  );
  if (count > 0) {
    const list = times.map((time) => new Date(time / 1000).toISOString()).join(", ");
    throw new Problem("conflict", {
      detail: `${count} points of the range have changed since edit ${id}: ${list}${count > times.length ? ", …" : ""}. Undo what changed them first, or edit the range anew.`,
    });
  }
  const sides = { before: new EditSide(maxPoints), after: new EditSide(maxPoints) };
  const flipped = { edit: points.edit, flipped: !points.flipped };
  for (const side of ["before", "after"] as const)
    for await (const page of readSide(db, bucket, flipped, side)) await sides[side].add(page);
  const neighbours = await neighboursOf(reader, horizon, stream, range);
  return {
    operation: { kind: "undo", edit: id },
    range,
    basis: range,
    ...sides,
    neighbours,
    points: flipped,
  };
}

/** What a new point must not come into, or the result would be another. */
function basisOf({ kind }: RangeOperation, range: TimeRange, { before, after }: Neighbours): TimeRange {
  const from = before ? Math.min(before.time, range.from) : range.from;
  if (kind === "interpolate") return { from, to: after ? after.time + 1 : range.to };
  return kind === "fix_counter_reset" ? { from, to: range.to } : range;
}

async function neighboursOf(
  reader: Reader,
  horizon: Micros,
  stream: StreamId,
  { from, to }: TimeRange,
): Promise<Neighbours> {
  return {
    before: await numberBefore(reader, horizon, stream, from),
    after: await numberFrom(reader, stream, to),
  };
}

async function numberBefore(
  reader: Reader,
  horizon: Micros,
  stream: StreamId,
  time: Micros,
): Promise<NumberAt | undefined> {
  let before = time;
  for (let i = 0; i < maxLookups; i++) {
    const point = await reader.newestBefore(stream, before);
    if (!point || point.time < horizon) return undefined;
    if (typeof point.value === "number") return { time: point.time, value: point.value };
    before = point.time;
  }
  return undefined;
}

async function numberFrom(reader: Reader, stream: StreamId, from: Micros): Promise<NumberAt | undefined> {
  let pages = 0;
  for await (const { times, values } of reader.read(stream, { from, to: allTime.to })) {
    const index = values.findIndex((value) => !Number.isNaN(value));
    if (index >= 0) return { time: times[index] as number, value: values[index] as number };
    if (++pages === maxLookups) return undefined;
  }
  return undefined;
}
