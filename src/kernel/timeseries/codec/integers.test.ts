import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { decodeIntegers } from "./integers-decode.ts";
import { encodeIntegers } from "./integers-encode.ts";

const encoded = (integers: readonly number[]): Uint8Array => {
  const writer = new ByteWriter();
  expect(encodeIntegers(writer, Float64Array.from(integers), integers.length)).toBe(true);
  return writer.view().slice();
};

const decoded = (blob: Uint8Array, count: number, unit = 1, rest = 0): number[] => {
  const target = new Float64Array(count);
  const reader = new ByteReader(blob, 0);
  decodeIntegers(reader, target, count, unit, rest);
  reader.expectEnd();
  return [...target];
};

/** Noise in [0, 1) that depends on the index only. */
const noise = (i: number): number => {
  const mixed = Math.imul(i + 1, 0x9e3779b1);
  return (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0) / 2 ** 32;
};

const spikes = new Map([
  [10, 2 ** 45 + 3_000_000_000],
  [60, -(2 ** 45) - 2_000_000_000],
]);

const seriesOf = (next: (i: number, previous: number) => number): number[] => {
  let value = 12_345;
  return Array.from({ length: 100 }, (_, i) => {
    value = Math.round(next(i, value));
    return value;
  });
};

/** For each form, by its byte in the blob, a series that it suits best. */
const suited: readonly (readonly [string, number, number[]])[] = [
  ["linear", 0, seriesOf((_, previous) => previous - 7)],
  ["plain", 1, seriesOf((i) => noise(i) * 1000)],
  ["delta", 2, seriesOf((i, previous) => previous + (i === 50 ? -9_000 : noise(i) * 100 - 50))],
  ["step", 3, seriesOf((i, previous) => previous + 500 + noise(i) * 100)],
  ["delta of delta", 4, seriesOf((i) => i * i * 40 + noise(i) * 3)],
  ["wide plain", 9, seriesOf((i) => noise(i) * 2 ** 50)],
  ["wide delta", 10, seriesOf((i, previous) => previous + (spikes.get(i) ?? (noise(i) - 0.5) * 2 ** 20))],
  ["wide step", 11, seriesOf((i, previous) => previous + 2 ** 40 + noise(i) * 100)],
  ["wide delta of delta", 12, seriesOf((i) => i * i * 2 ** 33 + noise(i) * 3)],
];

describe("forms", () => {
  it.each(suited)("takes %s where it is smallest, and gives the integers back", (_, form, integers) => {
    const blob = encoded(integers);
    expect(blob[0]).toBe(form);
    expect(decoded(blob, integers.length)).toEqual(integers);
  });

  it.each(suited)("multiplies and adds while it decodes %s", (_, __, integers) => {
    const unit = integers.some((integer) => Math.abs(integer) > 2 ** 45) ? 3 : 10_000_000;
    const expected = integers.map((integer) => integer * unit - 7);
    expect(decoded(encoded(integers), integers.length, unit, -7)).toEqual(expected);
  });

  it("writes nothing where exact arithmetic ends", () => {
    const writer = new ByteWriter();
    expect(encodeIntegers(writer, new Float64Array([-(2 ** 50) - 1, 2 ** 50]), 2)).toBe(false);
    expect(writer.length).toBe(0);
    expect(decoded(encoded([-(2 ** 50), 2 ** 50, 3]), 3)).toEqual([-(2 ** 50), 2 ** 50, 3]);
    expect(decoded(encoded([2 ** 50, -(2 ** 50), 2 ** 50]), 3)).toEqual([2 ** 50, -(2 ** 50), 2 ** 50]);
  });
});
