import { maxDecimal, maxExponent, powerOfTen, roundingShift } from "./total.ts";

/** The most values that are scaled at a time: their sum stays exact in float64 when none passes `greatestInteger`. */
export const scaledBlock = 2048;
const greatestInteger = maxDecimal / scaledBlock;

export interface Scaled {
  /** value * 10^exponent, by index from the start of the range; overwritten by the next call. */
  readonly integers: Float64Array;
  readonly exponent: number;
  /** The greatest magnitude of the integers. */
  readonly greatest: number;
}

const integers = new Float64Array(scaledBlock);

/**
 * The values [from, to), at most `scaledBlock`, as integers of the smallest common number of decimals; undefined when
 * there is none of up to nine, an integer is too great, or a value is NaN. With `likely` decimals, where those fit: the
 * same numbers, but maybe more zeros than there need be.
 */
export const scale = (values: Float64Array, from: number, to: number, likely = 0): Scaled | undefined => {
  if (likely > 0) {
    const greatest = tryExponent(values, from, to, powerOfTen(likely));
    if (greatest >= 0 && greatest <= greatestInteger) return { integers, exponent: likely, greatest };
  }
  for (let exponent = 0; exponent <= maxExponent; exponent++) {
    const greatest = tryExponent(values, from, to, powerOfTen(exponent));
    if (greatest > greatestInteger) return undefined;
    if (greatest >= 0) return { integers, exponent, greatest };
  }
  return undefined;
};

/** The greatest magnitude; -1 when a value is not exact; Infinity when one is too great. */
const tryExponent = (values: Float64Array, from: number, to: number, power: number): number => {
  let greatest = 0;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    const integer = value * power + roundingShift - roundingShift;
    if (integer / power !== value) return Math.abs(integer) > greatestInteger ? Number.POSITIVE_INFINITY : -1;
    integers[i - from] = integer;
    const magnitude = Math.abs(integer);
    if (magnitude > greatest) greatest = magnitude;
  }
  return greatest;
};
