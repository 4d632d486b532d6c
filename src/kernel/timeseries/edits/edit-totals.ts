import { addRise, RunningSummary } from "../buckets/rollup.ts";
import type { PointPage } from "../types.ts";
import type { Neighbours } from "./edit-operation.ts";

/** What a range holds; all but `count` are over numbers, null without any. */
export interface EditTotals {
  readonly count: number;
  readonly numbers: number;
  readonly sum: number | null;
  readonly first: number | null;
  readonly last: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** The rises from the last number before the range to the first one after it. */
  readonly increase: number;
}

/** Adds up pages that come in order. */
export class RunningTotals {
  readonly #summary = new RunningSummary();

  add({ times, values }: PointPage): void {
    if (times.length > 0) this.#summary.addPoints(times, values, 0, times.length);
  }

  get count(): number {
    return this.#summary.count;
  }

  totals({ before, after }: Neighbours): EditTotals {
    const { count, numeric, sum, first, last, min, max } = this.#summary;
    const increase = this.#summary.increase.copy();
    if (numeric > 0) {
      if (before) addRise(increase, before.value, first);
      if (after) addRise(increase, last, after.value);
    } else if (before && after) addRise(increase, before.value, after.value);
    const figure = (value: number): number | null => (numeric > 0 ? value : null);
    return {
      count,
      numbers: numeric,
      sum: figure(sum.value()),
      first: figure(first),
      last: figure(last),
      min: figure(min),
      max: figure(max),
      increase: increase.value(),
    };
  }
}
