import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyValues } from "../codec/pages.fixture.ts";
import { nearest, toUnits } from "./exact-ratio.ts";
import { ExactSum } from "./exact-sum.ts";
import { decimalsOf, Total } from "./total.ts";

/** Numbers as numerator / 10^9 in units of 2^-1074, by another way than the code: the shortest digits that print them. */
const billion = 10n ** 9n;
const exactly = (value: number): bigint => {
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const decimals = fraction.length - Number(exponent);
  const integer = BigInt(whole + fraction);
  const units = decimals < 0 ? integer * 10n ** BigInt(-decimals) : integer;
  if (decimals <= 9 && units ** 2n < 2n ** 102n) {
    return (units * 10n ** BigInt(9 - Math.max(0, decimals))) << 1074n;
  }
  return toUnits(value) * billion;
};

const exactTotal = (values: readonly number[]): bigint =>
  values.reduce((sum, value) => sum + exactly(value), 0n);

const totalOf = (values: readonly number[]): Total => {
  const total = new Total();
  for (const value of values) total.addValue(value, 1);
  return total;
};

const scaled = (total: Total): bigint => {
  const { numerator, denominator } = total.ratio();
  return (numerator * billion) / denominator;
};

const values = fc.integer({ min: 1, max: 40 }).chain(anyValues);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

describe("nearest", () => {
  it("gives every float64 back", () => {
    fc.assert(
      fc.property(finite, fc.bigInt({ min: 1n, max: 10n ** 12n }), (value, factor) => {
        const same = nearest(toUnits(value) * factor, factor);
        expect(Object.is(same, value === 0 ? 0 : value)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("rounds quotients as the machine does", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: 1 }), (a, b) => {
        expect(nearest(BigInt(a) << 1074n, BigInt(b))).toBe(a === 0 ? 0 : a / b);
      }),
    );
  });

  it("rounds ties to even and goes beyond the greatest float64 to Infinity", () => {
    expect(nearest(3n, 2n)).toBe(2 * 5e-324);
    expect(nearest(5n, 2n)).toBe(2 * 5e-324);
    expect(nearest(1n, 2n)).toBe(0);
    expect(nearest((2n ** 53n + 1n) << 1074n, 1n)).toBe(2 ** 53);
    expect(nearest(toUnits(Number.MAX_VALUE) * 2n, 1n)).toBe(Number.POSITIVE_INFINITY);
    expect(nearest(toUnits(-Number.MAX_VALUE) * 2n, 1n)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("ExactSum", () => {
  it("is the sum, however wide", () => {
    fc.assert(
      fc.property(values, fc.array(fc.tuple(finite, fc.maxSafeInteger())), (added, products) => {
        const sum = new ExactSum();
        let expected = 0n;
        for (const value of added) {
          sum.add(value);
          expected += toUnits(value);
        }
        for (const [value, factor] of products) {
          sum.addProduct(value, factor);
          expected += toUnits(value) * BigInt(factor);
        }
        expect(sum.units()).toBe(expected);
        sum.normalize();
        expect(sum.units()).toBe(expected);
        if (!sum.isWide) expect(sum.hi).toBe(nearest(expected, 1n));
      }),
      { numRuns: 1000 },
    );
  });

  it("comes back from an overflow", () => {
    const sum = new ExactSum();
    for (const value of [Number.MAX_VALUE, Number.MAX_VALUE, 1, -Number.MAX_VALUE, -Number.MAX_VALUE])
      sum.add(value);
    sum.normalize();
    expect(sum.hi).toBe(1);
    expect(sum.isWide).toBe(false);
  });
});

describe("Total", () => {
  it("adds decimals as decimals", () => {
    expect(totalOf([0.1, 0.2]).value()).toBe(0.3);
    expect(totalOf(new Array<number>(1000).fill(0.001)).value()).toBe(1);
    expect(totalOf([12345.7, -12345.67]).value()).toBe(0.03);
    expect(totalOf([1 / 3, 1 / 3, 1 / 3]).value()).toBe(1);
    expect(totalOf([1e300, 1, -1e300]).value()).toBe(1);
    expect(totalOf([]).value()).toBe(0);
    expect(totalOf([-0]).value()).toBe(0);
  });

  it("is exact, and its value is the float64 nearest to it", () => {
    fc.assert(
      fc.property(values, (added) => {
        const total = totalOf(added);
        const expected = exactTotal(added);
        expect(scaled(total)).toBe(expected);
        expect(total.value()).toBe(nearest(expected, billion));
        expect(scaled(total)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it("is the same however it is grouped, ordered and multiplied", () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (added, cut, factor) => {
        const middle = cut % (added.length + 1);
        const whole = totalOf(added);
        const parts = totalOf(added.slice(middle));
        parts.add(totalOf(added.slice(0, middle)));
        expect(parts.ratio().numerator * whole.ratio().denominator).toBe(
          whole.ratio().numerator * parts.ratio().denominator,
        );
        expect(Object.is(parts.value(), whole.value())).toBe(true);
        expect(Object.is(whole.copy().value(), whole.value())).toBe(true);
        const multiplied = new Total();
        for (const value of added) multiplied.addValue(value, factor);
        expect(scaled(multiplied)).toBe(exactTotal(added) * BigInt(factor));
      }),
      { numRuns: 1000 },
    );
  });

  it("takes a value for the same decimal at every exponent", () => {
    const decimals = fc.tuple(fc.maxSafeInteger(), fc.nat({ max: 9 })).map(([m, e]) => m / 10 ** e);
    fc.assert(
      fc.property(fc.oneof(decimals, finite), fc.nat({ max: 9 }), (value, exponent) => {
        const total = new Total();
        total.rescale(exponent);
        total.addValue(value, 1);
        expect(scaled(total)).toBe(exactly(value));
        expect(total.value()).toBe(value + 0);
        expect(total.binary.isZero).toBe(decimalsOf(value) >= 0);
      }),
      { numRuns: 3000 },
    );
  });
});
