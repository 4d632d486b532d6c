import type { RollupPage } from "./rollup-page.ts";
import { powerOfTen } from "./total.ts";

/**
 * What a row's totals probably are, by its other columns, as integers of 10^-exponent: what is stored is how far they
 * are from it. Only exactly reproducible arithmetic: multiplication, division, addition, Math.round.
 */
type Known = Pick<
  RollupPage,
  "numeric" | "min" | "max" | "first" | "firstTime" | "last" | "lastTime" | "exponent"
>;

/** Rounded to an integer; 0 instead of one that is not safe, and never -0. */
const integerOf = (value: number): number => {
  const integer = Math.round(value);
  return Number.isSafeInteger(integer) ? integer + 0 : 0;
};

/** As many values in the middle between the least and the greatest. */
export const guessSum = ({ numeric, min, max, exponent }: Known): Float64Array => {
  const half = powerOfTen(exponent) / 2;
  const guess = new Float64Array(numeric.length);
  for (let row = 0; row < guess.length; row++) {
    const count = numeric[row] as number;
    if (count > 0) guess[row] = integerOf(count * ((min[row] as number) + (max[row] as number)) * half);
  }
  return guess;
};

/** All but the last value for as long as each holds when they are evenly spaced: then it is exact. */
export const guessArea = (page: Known, sums: Float64Array): Float64Array => {
  const { numeric, firstTime, last, lastTime } = page;
  const power = powerOfTen(page.exponent);
  const guess = new Float64Array(numeric.length);
  for (let row = 0; row < guess.length; row++) {
    const steps = (numeric[row] as number) - 1;
    if (steps < 1) continue;
    const held = ((lastTime[row] as number) - (firstTime[row] as number)) / steps;
    guess[row] = integerOf(((sums[row] as number) - Math.round((last[row] as number) * power)) * held);
  }
  return guess;
};

/** What a counter without a reset rises: then it is exact. */
export const guessIncrease = ({ numeric, first, last, exponent }: Known): Float64Array => {
  const power = powerOfTen(exponent);
  const guess = new Float64Array(numeric.length);
  for (let row = 0; row < guess.length; row++) {
    const rise = Math.round((last[row] as number) * power) - Math.round((first[row] as number) * power);
    if (rise > 0) guess[row] = integerOf(rise);
  }
  return guess;
};
