import { invalidField } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import type { PointPage } from "../types.ts";

/** What is done to the numbers of a range; texts stay as they are, except where points are deleted. */
export type RangeOperation =
  | { readonly kind: "delete" }
  | { readonly kind: "scale"; readonly factor: number }
  | { readonly kind: "shift"; readonly by: number }
  /** A straight line from the last number before the range to the first one after it. */
  | { readonly kind: "interpolate" }
  /** Where the count falls it began at 0 again: what it had reached is added from there to the end of the range. */
  | { readonly kind: "fix_counter_reset" };

export type EditOperation = RangeOperation | { readonly kind: "undo"; readonly edit: number };

export interface NumberAt {
  readonly time: Micros;
  readonly value: number;
}

/** The numbers next to the range on both sides. */
export interface Neighbours {
  readonly before: NumberAt | undefined;
  readonly after: NumberAt | undefined;
}

/** To be called with the pages of the range in order. */
export type Transform = (page: PointPage) => PointPage;

/** @throws Problem `invalid-request` for an operation that cannot be done there; so does the transform */
export function transformOf(operation: RangeOperation, neighbours: Neighbours): Transform {
  if (operation.kind === "delete") return () => ({ times: new Float64Array(0), values: new Float64Array(0) });
  if (operation.kind === "scale") {
    const { factor } = operation;
    return eachNumber("factor", finite("factor", factor), (value) => value * factor);
  }
  if (operation.kind === "shift") {
    const { by } = operation;
    return eachNumber("by", finite("by", by), (value) => value + by);
  }
  return operation.kind === "interpolate" ? line(neighbours) : continuing(neighbours.before?.value);
}

function line({ before, after }: Neighbours): Transform {
  if (!before) throw invalidField("from", "There is no number before it from which a line could begin.");
  if (!after) throw invalidField("to", "There is no number at or after it where a line could end.");
  const span = after.time - before.time;
  return eachNumber("from", before.value, (_, time) => {
    const part = (time - before.time) / span;
    return before.value * (1 - part) + after.value * part;
  });
}

function continuing(before: number | undefined): Transform {
  let previous = before ?? Number.NEGATIVE_INFINITY;
  let lost = 0;
  return eachNumber("from", lost, (value) => {
    if (value < previous) lost += previous;
    previous = value;
    return value + lost;
  });
}

function eachNumber(
  field: string,
  given: number,
  change: (value: number, time: Micros) => number,
): Transform {
  return ({ times, values, texts }) => {
    const changed = values.map((value, i) => {
      if (Number.isNaN(value)) return value;
      const result = change(value, times[i] as number);
      if (Number.isFinite(result)) return result;
      throw invalidField(field, `With ${given}, the value ${value} would become ${result}.`);
    });
    return { times, values: changed, ...(texts ? { texts } : {}) };
  };
}

function finite(field: string, value: number): number {
  if (!Number.isFinite(value)) throw invalidField(field, `${value} is not a finite number.`);
  return value;
}
