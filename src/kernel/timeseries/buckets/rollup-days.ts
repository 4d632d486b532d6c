import type { Micros } from "../../time.ts";
import { floorTo, storable, utcDay } from "./cells.ts";
import { RunningSummary } from "./rollup.ts";
import { type RollupPage, rollupPage } from "./rollup-page.ts";
import { addRows } from "./rollup-rows.ts";

/** The days of pages of quarter hours, of which each day is in one page. */
export const dayRollups = (pages: readonly RollupPage[]): RollupPage | undefined => {
  const starts: Micros[] = [];
  const summaries: RunningSummary[] = [];
  for (const page of pages)
    for (let row = 0; row < page.starts.length; ) {
      const day = floorTo(utcDay, page.starts[row] as number);
      let end = row + 1;
      while (end < page.starts.length && (page.starts[end] as number) < day + utcDay) end++;
      const summary = new RunningSummary();
      addRows(summary, page, row, end);
      starts.push(storable(day));
      summaries.push(summary);
      row = end;
    }
  return starts.length === 0 ? undefined : rollupPage(starts, summaries);
};
