import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lowerBound } from "../pages.ts";
import type { PointPage } from "../types.ts";
import { decodeChunk, encodeChunk, readRun } from "./chunk.ts";
import { ChunkCorrupt } from "./corrupt.ts";
import { anyPage, pageOf } from "./pages.fixture.ts";
import { ScaledRun } from "./scaled-run.ts";

const run = new ScaledRun();
const second = 1_000_000;
const start = Date.UTC(2026, 0, 1) * 1000;

const countUp = (count: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => start + i * step);

/** Some part [from, to) of a page, at least one point. */
const partOf = (count: number, a: number, b: number): readonly [number, number] => {
  const from = Math.min(a, b) % count;
  return [from, from + 1 + (Math.max(a, b) % (count - from))];
};

/** The integers of a part, added up without bounds. */
const plainly = (from: number, to: number) => {
  const integers = Array.from({ length: to - from }, (_, i) => BigInt(run.integerAt(from + i)));
  const steps = integers.slice(1).map((integer, i) => integer - (integers[i] ?? 0n));
  const ascending = integers.toSorted((a, b) => (a < b ? -1 : 1));
  return {
    sum: integers.reduce((sum, integer) => sum + integer, 0n),
    lowest: ascending[0],
    highest: ascending.at(-1),
    rise: steps.reduce((sum, step) => (step > 0n ? sum + step : sum), 0n),
    area: integers
      .slice(0, -1)
      .reduce(
        (sum, integer, i) => sum + integer * BigInt(run.timeAt(from + i + 1) - run.timeAt(from + i)),
        0n,
      ),
  };
};

const expectSame = (page: PointPage, a: number, b: number): void => {
  const { count } = run;
  expect(count).toBe(page.times.length);
  expect(Array.from({ length: count }, (_, i) => run.timeAt(i))).toEqual([...page.times]);
  // `toEqual` tells -0 from 0.
  expect(Array.from({ length: count }, (_, i) => run.valueAt(i))).toEqual([...page.values]);
  const [from, to] = partOf(count, a, b);
  const expected = plainly(from, to);
  expect(BigInt(run.sum(from, to))).toBe(expected.sum);
  expect(BigInt(run.lowest(from, to))).toBe(expected.lowest);
  expect(BigInt(run.highest(from, to))).toBe(expected.highest);
  expect(BigInt(run.rise(from, to))).toBe(expected.rise);
  const span = run.timeAt(to - 1) - run.timeAt(from);
  if (run.greatest * span < 2 ** 53) expect(BigInt(run.area(from, to))).toBe(expected.area);
};

describe("a run of scaled integers", () => {
  it("is what decoding gives, wherever it can be read", () => {
    fc.assert(
      fc.property(anyPage, fc.nat(), fc.nat(), (page, a, b) => {
        if (readRun(encodeChunk(page), run)) expectSame(page, a, b);
      }),
      { numRuns: 3000 },
    );
  });

  it("finds the first point at or after any time", () => {
    fc.assert(
      fc.property(anyPage, fc.integer({ min: -2, max: 2 }), fc.nat(), fc.nat(), (page, off, a, b) => {
        if (!readRun(encodeChunk(page), run)) return;
        const [from, to] = partOf(run.count, a, b);
        const time = (page.times[(a + b) % run.count] ?? 0) + off;
        expect(run.lowerBound(time)).toBe(lowerBound(page.times, time));
        const within = from + lowerBound(page.times.subarray(from, to), time);
        expect(run.lowerBound(time, from, to)).toBe(within);
        expect(run.lowerBound(Number.POSITIVE_INFINITY, from, to)).toBe(to);
        expect(run.lowerBound(Number.MIN_SAFE_INTEGER, from, to)).toBe(from);
      }),
      { numRuns: 1000 },
    );
  });

  it("finds it where the distance of the times is hardly divisible", () => {
    const step = 2 ** 37 + 1;
    const times = Array.from({ length: 60_000 }, (_, i) => Number.MIN_SAFE_INTEGER + 5 + i * step);
    expect(readRun(encodeChunk(pageOf(times, new Array<number>(60_000).fill(1))), run)).toBe(true);
    for (let i = 1; i < times.length; i += 7)
      for (const off of [-1, 0, 1]) expect(run.lowerBound((times[i] ?? 0) + off)).toBe(off > 0 ? i + 1 : i);
  });

  it.each([
    { name: "a walk in cents", of: (i: number) => (2000 + ((i * 7919) % 41) - 20) / 100 },
    { name: "a counter", of: (i: number) => (123_456_700 + 3 * i) / 100 },
    { name: "a counter that starts again", of: (i: number) => ((123_456_700 + 3 * i) % 1000) / 10 },
    { name: "one value", of: () => 21.5 },
    { name: "wholes that jump", of: (i: number) => ((i * 7_919_993) % 60_000_000) - 30_000_000 },
    { name: "nine decimals", of: (i: number) => ((i * 7919) % 10_007) / 1e9 },
    { name: "integers above int32", of: (i: number) => 5e11 + ((i * 7919) % 10_007) },
  ])("serves $name", ({ of }) => {
    for (const times of [
      countUp(1500, 10 * second),
      countUp(1500, second).map((time, i) => time + (i % 7)),
    ]) {
      const page = pageOf(
        times,
        times.map((_, i) => of(i)),
      );
      expect(readRun(encodeChunk(page), run)).toBe(true);
      expectSame(page, 0, 1499);
      expectSame(page, 700, 730);
    }
  });

  it.each([
    { name: "-0", value: -0 },
    { name: "a third", value: 1 / 3 },
    { name: "an integer too great to add up exactly", value: 2 ** 50 },
    { name: "the greatest float64", value: Number.MAX_VALUE },
  ])("leaves a chunk with $name to be decoded", ({ value }) => {
    const page = pageOf(
      countUp(64, second),
      countUp(64, second).map((_, i) => (i === 40 ? value : i / 10)),
    );
    expect(readRun(encodeChunk(page), run)).toBe(false);
  });

  it("leaves a chunk with a text to be decoded", () => {
    const page = pageOf([1, 2, 3], [1, 0, 3], new Map([[1, '"off"']]));
    expect(readRun(encodeChunk(page), run)).toBe(false);
  });

  it("names damage as decoding does", () => {
    fc.assert(
      fc.property(anyPage, fc.nat(), fc.integer({ min: 1, max: 255 }), (page, at, change) => {
        const blob = encodeChunk(page);
        blob[at % blob.length] = (blob[at % blob.length] ?? 0) ^ change;
        expect(() => decodeChunk(blob)).toThrow(ChunkCorrupt);
        expect(() => readRun(blob, run)).toThrow(ChunkCorrupt);
      }),
    );
  });
});
