import type { Micros } from "../../time.ts";
import type { ScaledRun } from "../codec/scaled-run.ts";
import { ExactSum } from "./exact-sum.ts";
import { type Scaled, scale, scaledBlock } from "./scaled.ts";
import { Total } from "./total.ts";

/**
 * What is kept of a run of points, so that adjacent runs compose to exactly the summary of the whole. All but `count`
 * are over numbers only, a text between two numbers being passed over; without a number (`numeric` 0) min and max are
 * Infinity and -Infinity, and first and last with their times NaN.
 */
export interface Summary {
  /** All points, texts included. */
  readonly count: number;
  readonly numeric: number;
  /** As Math.min and Math.max order them: -0 is below 0. */
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly firstTime: Micros;
  readonly last: number;
  readonly lastTime: Micros;
  readonly sum: Total;
  /** Each value times how long it held, from the first number to the last: unit × microseconds. */
  readonly area: Total;
  /** The rises from number to number. A fall is a counter reset and adds nothing, as nobody saw where it restarted. */
  readonly increase: Total;
}

/** What is to be known of a run of points beside count, first and last. */
export interface Wanted {
  readonly extremes: boolean;
  readonly sum: boolean;
  readonly area: boolean;
  readonly increase: boolean;
}

/** A summary that grows in time order. */
export class RunningSummary implements Summary {
  count = 0;
  numeric = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  first = Number.NaN;
  firstTime = Number.NaN;
  last = Number.NaN;
  lastTime = Number.NaN;
  readonly sum = new Total();
  readonly area = new Total();
  readonly increase = new Total();

  /** What the values before had; outlives `reset`, as the points that follow are mostly of the same stream. */
  #decimals = 0;

  /** Makes it that of no points again. */
  reset(): void {
    this.count = 0;
    this.numeric = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
    this.first = Number.NaN;
    this.firstTime = Number.NaN;
    this.last = Number.NaN;
    this.lastTime = Number.NaN;
    this.sum.reset();
    this.area.reset();
    this.increase.reset();
  }

  /** Adds the points [from, to) of ascending times, all later than what was added before; NaN stands for a text. */
  addPoints(times: Float64Array, values: Float64Array, from: number, to: number): void {
    this.count += to - from;
    for (let start = from; start < to; start += scaledBlock) {
      const end = Math.min(start + scaledBlock, to);
      const scaled = scale(values, start, end, this.#decimals);
      this.#decimals = scaled?.exponent ?? 0;
      if (scaled === undefined) this.#addSingly(times, values, start, end);
      else this.#addScaled(times, values, start, end, scaled);
    }
  }

  /** As `addPoints`, of the points [from, to) of a chunk; what is not wanted of them is not known any more. */
  addRun(run: ScaledRun, from: number, to: number, wanted: Wanted): void {
    const { exponent } = run;
    this.count += to - from;
    this.meet(run.timeAt(from), run.valueAt(from));
    this.numeric += to - from;
    this.last = run.valueAt(to - 1);
    this.lastTime = run.timeAt(to - 1);
    if (wanted.extremes) {
      this.min = Math.min(this.min, run.valueOf(run.lowest(from, to)));
      this.max = Math.max(this.max, run.valueOf(run.highest(from, to)));
    }
    if (wanted.sum) this.sum.addUnits(run.sum(from, to), 0, exponent);
    if (wanted.increase) this.increase.addUnits(run.rise(from, to), 0, exponent);
    if (wanted.area) this.#addArea(run, from, to);
  }

  #addArea(run: ScaledRun, from: number, to: number): void {
    const { step } = run;
    const span = run.timeAt(to - 1) - run.timeAt(from);
    if (run.greatest * span < 2 ** 53) this.area.addUnits(run.area(from, to), 0, run.exponent);
    else if (step > 0) {
      const area = new ExactSum();
      area.addProduct(run.sum(from, to - 1), step);
      this.area.addDecimals(area, run.exponent);
    } else {
      for (let i = from + 1; i < to; i++)
        addHold(this.area, run.valueAt(i - 1), run.timeAt(i - 1), run.timeAt(i));
    }
  }

  /** Adds a summary of later points. */
  add(next: Summary): void {
    this.count += next.count;
    if (next.numeric === 0) return;
    this.meet(next.firstTime, next.first);
    this.numeric += next.numeric;
    this.min = Math.min(this.min, next.min);
    this.max = Math.max(this.max, next.max);
    this.last = next.last;
    this.lastTime = next.lastTime;
    this.sum.add(next.sum);
    this.area.add(next.area);
    this.increase.add(next.increase);
  }

  /** The step from the last number to the next one: how long the former held, and how much it rose. */
  meet(time: Micros, value: number): void {
    if (this.numeric === 0) {
      this.first = value;
      this.firstTime = time;
      return;
    }
    addHold(this.area, this.last, this.lastTime, time);
    addRise(this.increase, this.last, value);
  }

  #addSingly(times: Float64Array, values: Float64Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const value = values[i] as number;
      if (Number.isNaN(value)) continue;
      const time = times[i] as number;
      this.meet(time, value);
      this.numeric++;
      this.min = Math.min(this.min, value);
      this.max = Math.max(this.max, value);
      this.last = value;
      this.lastTime = time;
      this.sum.addValue(value, 1);
    }
  }

  /** In plain float64 where no result can pass 2^53, which is where integers stop being exact. */
  #addScaled(times: Float64Array, values: Float64Array, from: number, to: number, scaled: Scaled): void {
    const { integers, exponent, greatest } = scaled;
    const length = to - from;
    this.meet(times[from] as number, values[from] as number);
    let { min, max } = this;
    let sum = 0;
    let change = 0;
    let previous = integers[0] as number;
    for (let i = 0; i < length; i++) {
      const value = values[from + i] as number;
      const integer = integers[i] as number;
      // Comparing first is faster; the rest is for -0, which is below 0.
      if (value <= min) min = Math.min(min, value);
      if (value >= max) max = Math.max(max, value);
      sum += integer;
      change += Math.abs(integer - previous);
      previous = integer;
    }
    // All changes less all falls; without a branch that no processor could foresee.
    const rise = (change + previous - (integers[0] as number)) / 2;
    this.min = min;
    this.max = max;
    this.numeric += length;
    this.last = values[to - 1] as number;
    this.lastTime = times[to - 1] as number;
    this.sum.addUnits(sum, 0, exponent);
    this.increase.addUnits(rise, 0, exponent);
    const span = this.lastTime - (times[from] as number);
    if (greatest * span < 2 ** 53) {
      let area = 0;
      for (let i = 1; i < length; i++) {
        const held = (times[from + i] as number) - (times[from + i - 1] as number);
        area += (integers[i - 1] as number) * held;
      }
      this.area.addUnits(area, 0, exponent);
    } else {
      for (let i = from + 1; i < to; i++) {
        addHold(this.area, values[i - 1] as number, times[i - 1] as number, times[i] as number);
      }
    }
  }
}

/** Adds what the value makes while it holds from one time to another. */
export const addHold = (area: Total, value: number, from: Micros, to: Micros): void => {
  const held = to - from;
  if (Number.isSafeInteger(held)) {
    area.addValue(value, held);
  } else {
    area.addValue(value, to);
    area.addValue(value, -from);
  }
};

export const addRise = (increase: Total, from: number, to: number): void => {
  if (!(to > from)) return;
  increase.addValue(to, 1);
  increase.addValue(from, -1);
};

/** Of the points [from, to) of ascending times; NaN stands for a text. */
export const summarizeRange = (
  times: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
): Summary => {
  const summary = new RunningSummary();
  summary.addPoints(times, values, from, to);
  return summary;
};

/** The summary of both runs; all points of `b` are later than those of `a`. */
export const compose = (a: Summary, b: Summary): Summary => {
  const summary = new RunningSummary();
  summary.add(a);
  summary.add(b);
  return summary;
};
