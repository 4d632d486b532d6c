import type { Queryable } from "../../database/engine.ts";
import { Problem } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import type { Reader } from "../reader.ts";
import { allTime, type Stream, type StreamId, type TimeRange } from "../types.ts";
import { differences } from "./differences.ts";
import { type Neighbours, type NumberAt, type RangeOperation, transformOf } from "./edit-operation.ts";
import { type EditPlan, EditSide } from "./edit-plan.ts";
import { readSide, type StreamEdit } from "./edit-store.ts";

/** Beside a range of nothing but texts a number is not looked for for ever. */
const maxLookups = 200;

/** @throws Problem `invalid-request`, `too-large` */
export async function planEdit(
  reader: Reader,
  horizon: Micros,
  { id }: Stream,
  { operation, range }: { readonly operation: RangeOperation; readonly range: TimeRange },
): Promise<EditPlan> {
  const neighbours = await neighboursOf(reader, horizon, id, range);
  const transform = transformOf(operation, neighbours);
  const before = new EditSide();
  const after = new EditSide();
  for await (const page of reader.read(id, range)) {
    before.add(page);
    after.add(transform(page));
  }
  return { operation, range, basis: basisOf(operation, range, neighbours), before, after, neighbours };
}

/** @throws Problem `conflict` naming what has changed since the edit */
export async function planUndo(
  reader: Reader,
  horizon: Micros,
  db: Queryable,
  edit: StreamEdit,
): Promise<EditPlan> {
  const { id, stream, range } = edit;
  const { count, times } = await differences(reader.read(stream, range), readSide(db, id, "after"));
  if (count > 0) {
    const list = times.map((time) => new Date(time / 1000).toISOString()).join(", ");
    throw new Problem("conflict", {
      detail: `${count} points of the range have changed since edit ${id}: ${list}${count > times.length ? ", …" : ""}. Undo what changed them first, or edit the range anew.`,
    });
  }
  const before = new EditSide();
  for await (const page of readSide(db, id, "after")) before.add(page);
  const after = new EditSide();
  for await (const page of readSide(db, id, "before")) after.add(page);
  const neighbours = await neighboursOf(reader, horizon, stream, range);
  return { operation: { kind: "undo", edit: id }, range, basis: range, before, after, neighbours };
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
