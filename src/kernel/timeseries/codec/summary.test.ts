import fc from "fast-check";
import { expect, it } from "vitest";
import type { PointPage } from "../types.ts";
import { anyPage, pageOf } from "./pages.fixture.ts";
import { type PageSummary, summarize } from "./summary.ts";

const model = (page: PointPage): PageSummary => {
  const numbers = [...page.values].filter((_, i) => page.texts?.has(i) !== true);
  const none = numbers.length === 0;
  return {
    count: page.times.length,
    minTime: Math.min(...page.times),
    maxTime: Math.max(...page.times),
    numericCount: numbers.length,
    min: none ? null : Math.min(...numbers),
    max: none ? null : Math.max(...numbers),
    sum: none ? null : numbers.reduce((a, b) => a + b, 0),
    first: numbers.at(0) ?? null,
    last: numbers.at(-1) ?? null,
  };
};

it("tells the figures of any page", () => {
  fc.assert(
    fc.property(anyPage, (page) => {
      expect(summarize(page)).toEqual(model(page));
    }),
    { numRuns: 1000 },
  );
});

it("tells null where a page has no number", () => {
  const summary = summarize(
    pageOf(
      [1, 5],
      [0, 0],
      new Map([
        [0, "true"],
        [1, "null"],
      ]),
    ),
  );
  expect(summary).toEqual({
    ...{ count: 2, minTime: 1, maxTime: 5, numericCount: 0 },
    ...{ min: null, max: null, sum: null, first: null, last: null },
  });
});

it("refuses an empty page", () => {
  expect(() => summarize(pageOf([], []))).toThrow(RangeError);
});
