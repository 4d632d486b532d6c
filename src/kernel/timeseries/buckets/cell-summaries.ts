import type { Micros } from "../../time.ts";
import { lowerBound } from "../pages.ts";
import { floorTo, quarterHour, storable } from "./cells.ts";
import { RunningSummary, type Summary } from "./rollup.ts";
import { type RollupPage, rollupPage } from "./rollup-page.ts";

/** Summarizes ascending points by quarter hours. */
export class CellSummaries {
  readonly #starts: Micros[] = [];
  readonly #summaries: Summary[] = [];
  #summary = new RunningSummary();
  #end = Number.NEGATIVE_INFINITY;

  /** Later points than those before; NaN stands for a text. */
  add(times: Float64Array, values: Float64Array): void {
    for (let low = 0; low < times.length; ) {
      const time = times[low] as number;
      if (time >= this.#end) this.#open(time);
      const high = lowerBound(times, this.#end);
      this.#summary.addPoints(times, values, low, high);
      low = high;
    }
  }

  /** Of the cells that hold points; undefined where none does. */
  page(): RollupPage | undefined {
    return this.#starts.length === 0 ? undefined : rollupPage(this.#starts, this.#summaries);
  }

  #open(time: Micros): void {
    const start = floorTo(quarterHour, time);
    this.#summary = new RunningSummary();
    this.#starts.push(storable(start));
    this.#summaries.push(this.#summary);
    this.#end = start + quarterHour;
  }
}
