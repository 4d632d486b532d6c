import fc from "fast-check";
import { expect, it } from "vitest";
import { CellSummaries } from "./cell-summaries.ts";
import { quarterHour } from "./cells.ts";
import { mergeRollups } from "./rollup-merge.ts";
import type { RollupPage } from "./rollup-page.ts";
import { rowSummary } from "./rollup-rows.ts";

/** Values of quarter hours: cells of one page agree in their decimals, more often than not. */
const cells = fc
  .tuple(
    fc.constantFrom(1, 10, 1000, 10 ** 9),
    fc.array(
      fc.array(
        fc.oneof(
          { weight: 8, arbitrary: fc.integer({ min: -(10 ** 6), max: 10 ** 6 }) },
          { weight: 1, arbitrary: fc.constantFrom(1 / 3, 1e300, 5e-324, Number.NaN, -0, 2 ** 50) },
        ),
        { maxLength: 4 },
      ),
      { maxLength: 12 },
    ),
  )
  .map(([power, rows]) =>
    rows.map((values) => values.map((value) => (Number.isInteger(value) ? value / power : value))),
  );

const pageOf = (rows: readonly (readonly number[])[], wanted: (cell: number) => boolean) => {
  const summaries = new CellSummaries();
  for (const [cell, values] of rows.entries())
    if (wanted(cell))
      summaries.add(
        Float64Array.from(values, (_, i) => cell * quarterHour + i * 1_000_000),
        Float64Array.from(values),
      );
  return summaries.page();
};

/** Each row with its exact totals, whatever exponent the page has. */
const rowsOf = (page: RollupPage | undefined) =>
  Array.from(page?.starts ?? [], (start, row) => {
    const { sum, area, increase, ...numbers } = rowSummary(page as RollupPage, row);
    const exact = [sum, area, increase].map((total) => {
      const { numerator, denominator } = total.ratio();
      return (numerator * 10n ** 9n) / denominator;
    });
    return { start, ...numbers, exact };
  });

it("merges pages to what their cells give together", () => {
  fc.assert(
    fc.property(cells, cells, fc.infiniteStream(fc.nat({ max: 3 })), (older, newer, stream) => {
      const kinds = Array.from({ length: 12 }, () => stream.next().value);
      const isNew = (cell: number) => kinds[cell] === 0;
      const isDropped = (cell: number) => kinds[cell] === 1;
      const old = pageOf(older, (cell) => !isNew(cell));
      const added = pageOf(newer, isNew);
      const keep = (start: number) => !isDropped(start / quarterHour);
      const both = Array.from({ length: 12 }, (_, cell) => (isNew(cell) ? newer[cell] : older[cell]) ?? []);
      const expected = pageOf(both, (cell) => !isDropped(cell));
      expect(rowsOf(mergeRollups(old, added, keep))).toEqual(rowsOf(expected));
    }),
    { numRuns: 1000 },
  );
});
