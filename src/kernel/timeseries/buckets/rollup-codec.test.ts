import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyPage } from "../codec/pages.fixture.ts";
import type { PointPage } from "../types.ts";
import { compose, RunningSummary, type Summary, summarizeRange } from "./rollup.ts";
import { decodeRollups, encodeRollups, RollupCorrupt } from "./rollup-codec.ts";
import { type RollupPage, rollupPage } from "./rollup-page.ts";
import { addRows, rowSummary } from "./rollup-rows.ts";
import type { Total } from "./total.ts";

const exact = ({ sum, area, increase, ...rest }: Summary) => {
  const text = (total: Total): string => {
    const { numerator, denominator } = total.ratio();
    return String((numerator * 10n ** 9n) / denominator);
  };
  return { ...rest, sum: text(sum), area: text(area), increase: text(increase) };
};

const anyCuts = fc.array(fc.nat(), { maxLength: 12 });
const anyLead = fc.nat({ max: 5 });

/** Pieces of a page of points, each starting a little before its first point. */
const cut = ({ times, values }: PointPage, cuts: readonly number[], lead: number) => {
  const bounds = [...new Set([0, ...cuts.map((at) => at % times.length)])].sort((a, b) => a - b);
  const starts = bounds.map((from) => (times[from] ?? 0) - lead);
  const summaries = bounds.map((from, i) =>
    summarizeRange(times, values, from, bounds[i + 1] ?? times.length),
  );
  const fits = bounds.every((_, i) => {
    const last = times[(bounds[i + 1] ?? times.length) - 1] ?? 0;
    const start = starts[i] ?? 0;
    return Number.isSafeInteger(start) && last - start < 2 ** 51 && !(start <= (starts[i - 1] ?? Number.NaN));
  });
  fc.pre(fits);
  return { starts, summaries, whole: summarizeRange(times, values, 0, times.length) };
};

const regular = (rows: number, points: number, valueAt: (i: number) => number): RollupPage => {
  const width = 900_000_000;
  const step = width / points;
  const starts = Array.from({ length: rows }, (_, row) => 1_767_225_600_000_000 + row * width);
  const summaries = starts.map((start, row) => {
    const times = Float64Array.from({ length: points }, (_, i) => start + i * step);
    return summarizeRange(
      times,
      times.map((_, i) => valueAt(row * points + i)),
      0,
      points,
    );
  });
  return rollupPage(starts, summaries);
};

/** Three quarters of an hour: of decimals, of texts only, and one with a third among the numbers. */
const storedPage = (): RollupPage => {
  const times = Float64Array.of(0, 300e6, 600e6, 900e6, 1000e6, 1800e6, 2000e6);
  const { NaN: text } = Number;
  const values = Float64Array.of(21.5, 21.75, 21.5, text, text, 1 / 3, -0);
  const summaries = [summarizeRange(times, values, 0, 3), summarizeRange(times, values, 3, 5)];
  return rollupPage([0, 900e6, 1800e6], [...summaries, summarizeRange(times, values, 5, 7)]);
};
const stored =
  "dd15709b010002000209090000000204010604000401000002020000000000000000008035400000000000000000" +
  "555555555555d53f0000000000008035400000000000000000000000000000008000000000000080354000000000" +
  "000000000000000000000080000000000000c035400000000000000000555555555555d53f000000000001b00900" +
  "0800c80000020101966500000000000000000000000000000000000000555555555555d53f06010980bcb690c34b" +
  "00000000000000000000000000000000000000005555555505ca8f41000000000000000000000000000000000000" +
  "00000060e914be800401320000";

const reseal = (blob: Uint8Array): Uint8Array => {
  const sum = crc32(blob.subarray(4));
  for (let i = 0; i < 4; i++) blob[i] = sum >>> (8 * i);
  return blob;
};

describe("RollupPage", () => {
  it("gives each summary back, and the whole when its rows are added", () => {
    fc.assert(
      fc.property(anyPage, anyCuts, anyLead, (points, cuts, lead) => {
        const { starts, summaries, whole } = cut(points, cuts, lead);
        const page = rollupPage(starts, summaries);
        for (const [row, summary] of summaries.entries())
          expect(exact(rowSummary(page, row))).toEqual(exact(summary));
        const running = new RunningSummary();
        const middle = Math.floor(starts.length / 2);
        addRows(running, page, 0, middle);
        addRows(running, page, middle, starts.length);
        expect(exact(running)).toEqual(exact(whole));
        expect(exact(running)).toEqual(exact(summaries.reduce(compose)));
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses starts that do not fit", () => {
    expect(() => rollupPage([1], [])).toThrow(RangeError);
  });
});

describe("the blob of a page", () => {
  it("holds every bit", () => {
    fc.assert(
      fc.property(anyPage, anyCuts, anyLead, (points, cuts, lead) => {
        const { starts, summaries } = cut(points, cuts, lead);
        const page = rollupPage(starts, summaries);
        const decoded = decodeRollups(encodeRollups(page));
        const { wide, ...columns } = decoded;
        const { wide: expectedWide, ...expected } = page;
        expect(columns).toEqual(expected);
        expect(wide?.size).toBe(expectedWide?.size);
        for (const [row, summary] of summaries.entries()) {
          expect(exact(rowSummary(decoded, row))).toEqual(exact(summary));
        }
        expect(encodeRollups(decoded)).toEqual(encodeRollups(page));
      }),
      { numRuns: 1500 },
    );
  });

  it("is read as earlier versions of the program wrote it", () => {
    const blob = encodeRollups(storedPage());
    expect(Buffer.from(blob).toString("hex")).toBe(stored);
    expect(decodeRollups(Buffer.from(stored, "hex"))).toEqual(storedPage());
  });

  it("needs few bytes for a row", () => {
    const walk = (i: number): number => Math.round(2100 + 300 * Math.sin(i / 500) + ((i * 7919) % 13)) / 100;
    expect(encodeRollups(regular(672, 90, walk)).length / 672).toBeLessThan(12);
    const counter = (i: number): number => Math.round(100_000 + i * 3 + ((i * 7919) % 3)) / 100;
    expect(encodeRollups(regular(672, 15, counter)).length / 672).toBeLessThan(6);
    expect(encodeRollups(regular(672, 90, () => 21.5)).length).toBeLessThan(100);
  });

  it("refuses what it cannot hold", () => {
    const summary = summarizeRange(Float64Array.of(0, 2 ** 52), Float64Array.of(1, 1), 0, 2);
    const other = summarizeRange(Float64Array.of(2 ** 52 + 1), Float64Array.of(1), 0, 1);
    expect(() => encodeRollups(rollupPage([0, 2 ** 52 + 1], [summary, other]))).toThrow(RangeError);
    expect(() => encodeRollups(rollupPage([], []))).toThrow(RangeError);
    expect(() => encodeRollups(rollupPage([1, 1], [other, other]))).toThrow(RangeError);
  });

  it("names damage", () => {
    const blob = encodeRollups(regular(50, 20, (i) => ((i * 37) % 100) / 10));
    for (let i = 0; i < blob.length; i++) {
      const damaged = blob.slice();
      damaged[i] = (damaged[i] ?? 0) ^ 0x81;
      expect(() => decodeRollups(damaged)).toThrow(RollupCorrupt);
      expect(() => decodeRollups(blob.subarray(0, i))).toThrow(RollupCorrupt);
    }
    expect(() => decodeRollups(reseal(Buffer.concat([blob, Buffer.alloc(1)])))).toThrow(/1 bytes too many/);
    expect(() => decodeRollups(reseal(blob.with(4, 2)))).toThrow(/version is 2/);
  });

  it("stays within its rows where the checksum is right", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    const expectBounded = (blob: Uint8Array): void => {
      try {
        const page = decodeRollups(blob);
        expect(page.starts.length).toBeLessThanOrEqual(65_536);
        expect(page.increase.hi.length).toBe(page.starts.length);
      } catch (error) {
        expect(error).toBeInstanceOf(RollupCorrupt);
      }
    };
    fc.assert(
      fc.property(anyPage, anyCuts, damage, fc.nat(), (points, cuts, changes, length) => {
        const { starts, summaries } = cut(points, cuts, 0);
        const blob = encodeRollups(rollupPage(starts, summaries));
        for (const [at, byte] of changes) blob[4 + (at % (blob.length - 4))] = byte;
        expectBounded(reseal(blob));
        expectBounded(reseal(blob.slice(0, 9 + (length % (blob.length - 8)))));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 9, maxLength: 300 }), (random) => {
        const blob = Uint8Array.from(random);
        blob.set([1, (blob[5] ?? 0) & 1], 4);
        blob[8] = (blob[8] ?? 0) % 10;
        expectBounded(reseal(blob));
      }),
      { numRuns: 2000 },
    );
  });
});
