import type { Micros } from "../../time.ts";
import { maxCount, unpack } from "./bits.ts";
import type { ByteReader } from "./bytes.ts";
import { forms } from "./integer-forms.ts";
import { readTimes } from "./times.ts";
import { readExponent } from "./values.ts";

/** Beyond these, sums in int32 and in float64 are no longer exact. */
const intLimit = 2 ** 31;
const floatLimit = 2 ** 53;

const powersOfTen = new Float64Array([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]);

/**
 * The points of a chunk as they lie in it: integers of one common exponent, mostly at even times. What is asked of
 * thousands of chunks is added up from these, in int32, without making a float64 of each point first.
 *
 * One object is filled again and again: what it holds is valid until the next `fill`.
 */
export class ScaledRun {
  count = 0;
  exponent = 0;
  /** The greatest magnitude of an integer, at least. */
  greatest = 0;
  #power = 1;
  /** The integer at i is base + levels[i], whose magnitude is at most `#reach`. */
  #base = 0;
  #reach = 0;
  /** Times are first + i * step; with step 0 they are in `#times`. */
  #first: Micros = 0;
  #step = 0;
  readonly #times = new Float64Array(maxCount);
  readonly #levels = new Int32Array(maxCount);

  /**
   * Reads what follows the header of a chunk without texts. False where the values are no such integers: such a chunk
   * has to be decoded.
   * @throws CorruptBlob
   */
  fill(reader: ByteReader, count: number): boolean {
    this.count = count;
    this.#step = readTimes(reader, this.#times, count);
    this.#first = this.#times[0] as number;
    const exponent = readExponent(reader);
    if (exponent === undefined) return false;
    this.exponent = exponent;
    this.#power = powersOfTen[exponent] as number;
    if (!this.#readLevels(reader)) return false;
    this.greatest = Math.abs(this.#base) + this.#reach;
    if (this.greatest * count >= floatLimit) return false;
    reader.expectEnd();
    return true;
  }

  timeAt(index: number): Micros {
    return this.#step > 0 ? this.#first + index * this.#step : (this.#times[index] as number);
  }

  valueAt(index: number): number {
    return this.integerAt(index) / this.#power;
  }

  integerAt(index: number): number {
    return this.#base + (this.#levels[index] as number);
  }

  /** The value that this integer stands for. */
  valueOf(integer: number): number {
    return integer / this.#power;
  }

  /** The first index of [from, to) whose time is not before `time`; `to` without one. */
  lowerBound(time: Micros, from = 0, to = this.count): number {
    if (from >= to || this.timeAt(to - 1) < time) return to;
    return this.#step > 0 ? this.#evenBound(time, from) : this.#search(time, from, to);
  }

  /** Of the integers [from, to); exact. */
  sum(from: number, to: number): number {
    const length = to - from;
    const levels = this.#levels;
    if (length * this.#reach < intLimit) {
      let sum = 0;
      for (let i = from; i < to; i++) sum = (sum + (levels[i] as number)) | 0;
      return this.#base * length + sum;
    }
    let sum = 0;
    for (let i = from; i < to; i++) sum += levels[i] as number;
    return this.#base * length + sum;
  }

  /** The smallest of the integers [from, to). */
  lowest(from: number, to: number): number {
    const levels = this.#levels;
    let lowest = levels[from] as number;
    for (let i = from + 1; i < to; i++) lowest = Math.min(lowest, levels[i] as number);
    return this.#base + lowest;
  }

  /** The greatest of the integers [from, to). */
  highest(from: number, to: number): number {
    const levels = this.#levels;
    let highest = levels[from] as number;
    for (let i = from + 1; i < to; i++) highest = Math.max(highest, levels[i] as number);
    return this.#base + highest;
  }

  /** The steps up from one of the integers [from, to) to the next, added up; exact. */
  rise(from: number, to: number): number {
    const levels = this.#levels;
    const first = levels[from] as number;
    let previous = first;
    let change = 0;
    for (let i = from + 1; i < to; i++) {
      const level = levels[i] as number;
      change += Math.abs(level - previous);
      previous = level;
    }
    // All changes less all falls; without a branch that no processor could foresee.
    return (change + previous - first) / 2;
  }

  /**
   * Each of the integers [from, to) times how long it held, up to the last; exact while the greatest integer times
   * the time from first to last is below 2^53.
   */
  area(from: number, to: number): number {
    if (this.#step > 0) return this.sum(from, to - 1) * this.#step;
    const times = this.#times;
    const levels = this.#levels;
    let area = this.#base * ((times[to - 1] as number) - (times[from] as number));
    for (let i = from + 1; i < to; i++)
      area += (levels[i - 1] as number) * ((times[i] as number) - (times[i - 1] as number));
    return area;
  }

  /** Where all times are equally far apart, that distance; else 0. */
  get step(): Micros {
    return this.#step;
  }

  #evenBound(time: Micros, from: number): number {
    const index = Math.ceil((time - this.#first) / this.#step);
    if (!(index > from)) return from;
    // The quotient is rounded, and may have lost the last microsecond of a long step.
    return this.#first + index * this.#step < time ? index + 1 : index;
  }

  #search(time: Micros, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#times[middle] as number) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** False for levels that may not fit into int32. */
  #readLevels(reader: ByteReader): boolean {
    const { count } = this;
    const form = reader.byte();
    const first = reader.signed();
    const bias = reader.signed();
    if (form > forms.deltaOfDelta) return false;
    this.#base = form === forms.plain ? bias : first;
    this.#reach = 0;
    this.#levels[0] = form === forms.plain ? first - bias : 0;
    const width = form === forms.linear ? 0 : unpack(reader, this.#levels, 1, count - 1);
    this.#reach = reachOf(form, count, first, bias, width);
    if (this.#reach < intLimit) restore[form]?.(this.#levels, count, bias | 0);
    else if (form !== forms.linear && form !== forms.plain)
      this.#reach = restoreWatchfully(form, this.#levels, count, bias);
    return this.#reach < intLimit;
  }
}

/** The magnitude that no level can pass, by the greatest width of a residual. */
const reachOf = (form: number, count: number, first: number, bias: number, width: number): number => {
  const residual = 2 ** width - 1;
  if (form === forms.plain) return Math.max(residual, Math.abs(first - bias));
  const step = form === forms.delta ? residual : Math.abs(bias) + residual;
  return form === forms.deltaOfDelta ? count * (Math.abs(bias) + count * residual) : count * step;
};

/**
 * Restores where the widths alone do not say that all levels fit into int32, as with a counter that starts again.
 * Returns the greatest magnitude; Infinity, leaving the rest, for one that does not fit.
 */
const restoreWatchfully = (form: number, levels: Int32Array, count: number, bias: number): number => {
  let reach = 0;
  let level = 0;
  let step = bias;
  for (let i = 1; i < count; i++) {
    const residual = levels[i] as number;
    const signed = (residual >>> 1) ^ -(residual & 1);
    if (form === forms.step) step = bias + (residual >>> 0);
    else if (form === forms.delta) step = signed;
    else step += signed;
    level += step;
    reach = Math.max(reach, Math.abs(level));
    if (reach >= intLimit) return Number.POSITIVE_INFINITY;
    levels[i] = level;
  }
  return reach;
};

type Restore = (levels: Int32Array, count: number, bias: number) => void;

/** By form: what makes levels of the residuals from index 1 on, in place, all of them in int32. */
const restore: readonly (Restore | undefined)[] = [
  (levels, count, bias) => {
    for (let i = 1; i < count; i++) levels[i] = Math.imul(i, bias);
  },
  undefined,
  (levels, count) => {
    let level = 0;
    for (let i = 1; i < count; i++) {
      const residual = levels[i] as number;
      level = (level + ((residual >>> 1) ^ -(residual & 1))) | 0;
      levels[i] = level;
    }
  },
  (levels, count, bias) => {
    let level = 0;
    for (let i = 1; i < count; i++) {
      level = (level + bias + (levels[i] as number)) | 0;
      levels[i] = level;
    }
  },
  (levels, count, bias) => {
    let level = 0;
    let step = bias;
    for (let i = 1; i < count; i++) {
      const residual = levels[i] as number;
      step = (step + ((residual >>> 1) ^ -(residual & 1))) | 0;
      level = (level + step) | 0;
      levels[i] = level;
    }
  },
];
