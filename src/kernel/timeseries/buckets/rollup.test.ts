import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeChunk, readRun } from "../codec/chunk.ts";
import { anyPage } from "../codec/pages.fixture.ts";
import { ScaledRun } from "../codec/scaled-run.ts";
import { nearest } from "./exact-ratio.ts";
import { compose, RunningSummary, type Summary, summarizeRange } from "./rollup.ts";
import { Total } from "./total.ts";

const figures = (summary: Summary) => ({
  ...summary,
  sum: canonical(summary.sum),
  area: canonical(summary.area),
  increase: canonical(summary.increase),
});

/** The exact value over 10^9 and, for the eye, the rounded one. */
const canonical = (total: Total): string => {
  const { numerator, denominator } = total.ratio();
  return `${total.value()} ${(numerator * 10n ** 9n) / denominator}`;
};

const of = (times: readonly number[], values: readonly number[]): Summary =>
  summarizeRange(Float64Array.from(times), Float64Array.from(values), 0, times.length);

describe("summarizeRange", () => {
  it("tells each figure", () => {
    const summary = of([10, 20, 40, 50], [1, 3, Number.NaN, 2]);
    expect({
      ...summary,
      sum: summary.sum.value(),
      area: summary.area.value(),
      increase: summary.increase.value(),
    }).toEqual({
      count: 4,
      numeric: 3,
      min: 1,
      max: 3,
      first: 1,
      firstTime: 10,
      last: 2,
      lastTime: 50,
      sum: 6,
      area: 1 * 10 + 3 * 30,
      increase: 2,
    });
  });

  it("tells nothing but the count of texts", () => {
    const summary = of([10, 20], [Number.NaN, Number.NaN]);
    expect(summary).toMatchObject({ count: 2, numeric: 0, first: Number.NaN, last: Number.NaN });
    expect(summary.sum.value()).toBe(0);
  });

  it("takes a fall for a reset and adds nothing for it", () => {
    expect(of([1, 2, 3, 4, 5], [100, 110, 3, 8, 8]).increase.value()).toBe(15);
  });

  it("is what the definitions say, exactly", () => {
    fc.assert(
      fc.property(anyPage, ({ times, values }) => {
        const summary = summarizeRange(times, values, 0, times.length);
        const sum = new Total();
        const area = new Total();
        const increase = new Total();
        const numbers = [...values.keys()].filter((i) => !Number.isNaN(values[i] ?? 0));
        for (const [n, i] of numbers.entries()) {
          const value = values[i] ?? 0;
          sum.addValue(value, 1);
          const next = numbers[n + 1];
          if (next === undefined) continue;
          area.addValue(value, times[next] ?? 0);
          area.addValue(value, -(times[i] ?? 0));
          if ((values[next] ?? 0) > value) {
            increase.addValue(values[next] ?? 0, 1);
            increase.addValue(-value, 1);
          }
        }
        expect(summary.count).toBe(times.length);
        expect(summary.numeric).toBe(numbers.length);
        expect(canonical(summary.sum)).toBe(canonical(sum));
        expect(canonical(summary.area)).toBe(canonical(area));
        expect(canonical(summary.increase)).toBe(canonical(increase));
        const present = numbers.map((i) => values[i] ?? 0);
        expect(summary.min).toBe(Math.min(...present));
        expect(summary.max).toBe(Math.max(...present));
        expect(summary.first).toBe(present.at(0) ?? Number.NaN);
        expect(summary.last).toBe(present.at(-1) ?? Number.NaN);
        expect(summary.firstTime).toBe(times[numbers.at(0) ?? -1] ?? Number.NaN);
        expect(summary.lastTime).toBe(times[numbers.at(-1) ?? -1] ?? Number.NaN);
      }),
      { numRuns: 1000 },
    );
  });

  it("rounds each total once", () => {
    const summary = of([0, 1, 3], [1e16, 1, 1 / 3]);
    const { numerator, denominator } = summary.sum.ratio();
    expect(summary.sum.value()).toBe(nearest(numerator, denominator));
  });
});

const everything = { extremes: true, sum: true, area: true, increase: true };

describe("addRun", () => {
  /** Decimals near each other: what a chunk keeps as scaled integers. */
  const walk = fc
    .record({
      times: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 200 }),
      spacing: fc.constantFrom(1, 1_000_000, 10_000_000, 2 ** 40),
      isEven: fc.boolean(),
      start: fc.integer({ min: -(10 ** 9), max: 10 ** 9 }),
      steps: fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 200, maxLength: 200 }),
      exponent: fc.nat({ max: 9 }),
    })
    .map(({ times, spacing, isEven, start, steps, exponent }) => {
      const columns = { times: new Float64Array(times.length), values: new Float64Array(times.length) };
      let time = -300 * spacing;
      let integer = start;
      for (const [i, step] of times.entries()) {
        time += spacing * (isEven ? 1 : step);
        integer += steps[i] ?? 0;
        columns.times[i] = time;
        columns.values[i] = integer / 10 ** exponent;
      }
      return columns;
    });

  it("adds what the points of the chunk would", () => {
    const run = new ScaledRun();
    const cuts = fc.array(fc.nat(), { maxLength: 4 });
    let served = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof(walk, anyPage), { minLength: 1, maxLength: 3 }), cuts, (pages, at) => {
        const added = new RunningSummary();
        const expected = new RunningSummary();
        for (const page of pages) {
          const { times, values } = page;
          if (!((times[0] ?? 0) > added.lastTime) && added.count > 0) continue;
          expected.addPoints(times, values, 0, times.length);
          if (!readRun(encodeChunk(page), run)) {
            added.addPoints(times, values, 0, times.length);
            continue;
          }
          served++;
          const bounds = [0, ...at.map((cut) => cut % times.length).sort((a, b) => a - b), times.length];
          for (const [i, to] of bounds.slice(1).entries())
            if (to > (bounds[i] ?? 0)) added.addRun(run, bounds[i] ?? 0, to, everything);
        }
        expect(figures(added)).toEqual(figures(expected));
      }),
      { numRuns: 2000 },
    );
    expect(served).toBeGreaterThan(200);
  });
});

describe("compose", () => {
  it("gives the summary of the whole for any partition", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 6 });
    fc.assert(
      fc.property(anyPage, cuts, fc.boolean(), ({ times, values }, at, fromRight) => {
        const count = times.length;
        const bounds = [0, ...at.map((cut) => cut % (count + 1)).sort((a, b) => a - b), count];
        const pieces = bounds.slice(1).map((end, i) => summarizeRange(times, values, bounds[i] ?? 0, end));
        const none = summarizeRange(times, values, 0, 0);
        const composed = fromRight
          ? pieces.reduceRight((right, left) => compose(left, right), none)
          : pieces.reduce((left, right) => compose(left, right), none);
        expect(figures(composed)).toEqual(figures(summarizeRange(times, values, 0, count)));
      }),
      { numRuns: 2000 },
    );
  });

  it("holds the last value over the gap, and counts the rise across it", () => {
    const both = compose(of([0, 10], [2, 5]), of([110, 120], [7, 1]));
    expect(both.area.value()).toBe(2 * 10 + 5 * 100 + 7 * 10);
    expect(both.increase.value()).toBe(5);
  });
});
