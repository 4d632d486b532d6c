import { nearest, toUnits } from "./exact-ratio.ts";

const splitter = 2 ** 27 + 1;
/** Within these bounds the product of two float64 and its rounding error are both exact. */
const greatestFactor = 2 ** 480;
const leastProduct = 2 ** -900;

/**
 * A sum of float64 without any rounding: hi + lo, each step checked to be exact, and where two float64 cannot hold it
 * an integer multiple of 2^-1074. So it does not depend on the order of the additions or on how they were grouped.
 */
export class ExactSum {
  hi = 0;
  lo = 0;
  /** In units of 2^-1074, to be added to hi and lo; those are then 0. */
  #wide: bigint | undefined;

  get isZero(): boolean {
    return this.hi === 0 && this.lo === 0 && this.#wide === undefined;
  }

  /** Neither hi and lo after `normalize`. */
  get isWide(): boolean {
    return this.#wide !== undefined;
  }

  reset(): void {
    this.hi = 0;
    this.lo = 0;
    this.#wide = undefined;
  }

  add(value: number): void {
    if (this.#wide !== undefined) {
      this.#wide += toUnits(value);
      return;
    }
    const { hi, lo } = this;
    const sum = hi + value;
    const part = sum - hi;
    const error = hi - (sum - part) + (value - part);
    const low = lo + error;
    const lowPart = low - lo;
    if (lo - (low - lowPart) + (error - lowPart) === 0) {
      this.hi = sum;
      this.lo = low;
    } else {
      this.#widen();
      this.#wide = (this.#wide ?? 0n) + toUnits(value);
    }
  }

  /** Adds value * factor; `factor` is a safe integer. */
  addProduct(value: number, factor: number): void {
    const product = value * factor;
    const magnitude = Math.abs(product);
    if (this.#wide !== undefined || !(magnitude > leastProduct && magnitude < greatestFactor)) {
      if (value === 0 || factor === 0) return;
      this.#addUnits(toUnits(value) * BigInt(factor));
      return;
    }
    // Dekker's product: both factors halved to 26 bits, so that the four products of halves are exact.
    const a = splitter * value;
    const valueHigh = a - (a - value);
    const valueLow = value - valueHigh;
    const b = splitter * factor;
    const factorHigh = b - (b - factor);
    const factorLow = factor - factorHigh;
    const rest =
      valueLow * factorLow -
      (product - valueHigh * factorHigh - valueLow * factorHigh - valueHigh * factorLow);
    this.add(product);
    if (rest !== 0) this.add(rest);
  }

  /** Adds other * factor. */
  addSum(other: ExactSum, factor: number): void {
    if (other.#wide !== undefined) this.#addUnits(other.#wide * BigInt(factor));
    else if (factor === 1) {
      this.add(other.hi);
      if (other.lo !== 0) this.add(other.lo);
    } else {
      this.addProduct(other.hi, factor);
      this.addProduct(other.lo, factor);
    }
  }

  /** Makes hi the float64 nearest to the sum and lo the rest: the only form of this sum, however it came about. */
  normalize(): void {
    if (this.#wide !== undefined) this.#narrow(this.#wide);
    if (this.lo === 0) return;
    const { hi, lo } = this;
    const sum = hi + lo;
    if (!Number.isFinite(sum)) {
      this.#widen();
      return;
    }
    const part = sum - hi;
    this.lo = hi - (sum - part) + (lo - part);
    this.hi = sum;
  }

  /** The exact sum in units of 2^-1074. */
  units(): bigint {
    return this.#wide ?? toUnits(this.hi) + toUnits(this.lo);
  }

  static ofUnits(units: bigint): ExactSum {
    const sum = new ExactSum();
    sum.#addUnits(units);
    sum.normalize();
    return sum;
  }

  #addUnits(units: bigint): void {
    this.#widen();
    this.#wide = (this.#wide ?? 0n) + units;
  }

  #widen(): void {
    this.#wide = this.units();
    this.hi = 0;
    this.lo = 0;
  }

  #narrow(wide: bigint): void {
    const hi = nearest(wide, 1n);
    if (!Number.isFinite(hi)) return;
    const rest = wide - toUnits(hi);
    const lo = nearest(rest, 1n);
    if (toUnits(lo) !== rest) return;
    this.hi = hi;
    this.lo = lo;
    this.#wide = undefined;
  }
}
