import { nearest } from "./exact-ratio.ts";
import { ExactSum } from "./exact-sum.ts";

const powersOfTen = new Float64Array([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]);
export const maxExponent = powersOfTen.length - 1;
const greatestPower = 1e9;

export const powerOfTen = (exponent: number): number => powersOfTen[exponent] as number;

/** Below this, adding and taking away `roundingShift` leaves the nearest integer; decimals below it are all distinct. */
export const maxDecimal = 2 ** 51;
export const roundingShift = 1.5 * 2 ** 52;

/** The smallest number of decimals that gives the value back exactly; -1 where 9 do not. */
export const decimalsOf = (value: number): number => {
  // What fewer decimals write, nine write too, unless the integer gets too great: one try tells most others apart.
  const most = value * greatestPower + roundingShift - roundingShift;
  if (Math.abs(most) < maxDecimal && most / greatestPower !== value) return -1;
  for (let exponent = 0; exponent <= maxExponent; exponent++) {
    const power = powerOfTen(exponent);
    const integer = value * power + roundingShift - roundingShift;
    if (integer / power === value) return Math.abs(integer) < maxDecimal ? exponent : -1;
  }
  return -1;
};

/**
 * An exact sum of values. A value that up to nine decimals write exactly counts as that decimal (0.1 as one tenth,
 * not as the float64 next to it), any other as the float64 that it is; each kind is summed without rounding, and
 * `value` rounds once. So a total depends on the values only, not on their order or on how they were grouped.
 */
export class Total {
  /** `decimal` counts units of 10^-exponent. */
  exponent = 0;
  decimal = new ExactSum();
  /** Made when it is first needed: most streams never do. */
  #binary: ExactSum | undefined;

  get binary(): ExactSum {
    this.#binary ??= new ExactSum();
    return this.#binary;
  }

  /** Makes it 0 again. */
  reset(): void {
    this.exponent = 0;
    this.decimal.reset();
    this.#binary = undefined;
  }

  /** Adds value * factor; `factor` is a safe integer. */
  addValue(value: number, factor: number): void {
    const power = powerOfTen(this.exponent);
    const integer = value * power + roundingShift - roundingShift;
    if (integer / power === value && integer < maxDecimal && integer > -maxDecimal) {
      const product = integer * factor;
      if (Math.abs(product) < 2 ** 53) this.decimal.add(product);
      else this.decimal.addProduct(integer, factor);
      return;
    }
    const exponent = decimalsOf(value);
    if (exponent < 0) this.binary.addProduct(value, factor);
    else {
      const sum = new ExactSum();
      sum.addProduct(value * powerOfTen(exponent) + roundingShift - roundingShift, factor);
      this.addDecimals(sum, exponent);
    }
  }

  /** Adds units of 10^-exponent. */
  addUnits(hi: number, lo: number, exponent: number): void {
    this.rescale(exponent);
    if (exponent === this.exponent) {
      this.decimal.add(hi);
      if (lo !== 0) this.decimal.add(lo);
      return;
    }
    const sum = new ExactSum();
    sum.add(hi);
    sum.add(lo);
    this.addDecimals(sum, exponent);
  }

  addDecimals(sum: ExactSum, exponent: number): void {
    this.rescale(exponent);
    this.decimal.addSum(sum, powerOfTen(this.exponent - exponent));
  }

  add(other: Total): void {
    this.addDecimals(other.decimal, other.exponent);
    if (other.#binary !== undefined) this.binary.addSum(other.#binary, 1);
  }

  /** Makes the exponent at least this. */
  rescale(exponent: number): void {
    if (exponent <= this.exponent) return;
    if (!this.decimal.isZero) {
      const scaled = new ExactSum();
      scaled.addSum(this.decimal, powerOfTen(exponent - this.exponent));
      this.decimal = scaled;
    }
    this.exponent = exponent;
  }

  copy(): Total {
    const copy = new Total();
    copy.add(this);
    return copy;
  }

  /** The float64 nearest to the total, ties to even; infinite where it is beyond the greatest float64. */
  value(): number {
    const { decimal } = this;
    decimal.normalize();
    if (this.#binary === undefined && decimal.lo === 0 && !decimal.isWide) {
      return decimal.hi / powerOfTen(this.exponent);
    }
    const { binary } = this;
    binary.normalize();
    if (!decimal.isWide && !binary.isWide) {
      if (decimal.isZero) return binary.hi;
      if (binary.isZero && decimal.lo === 0) return decimal.hi / powerOfTen(this.exponent);
      const quick = this.#quickValue();
      if (quick !== undefined) return quick;
    }
    const { numerator, denominator } = this.ratio();
    return nearest(numerator, denominator);
  }

  /** The total is numerator / denominator * 2^-1074. */
  ratio(): { numerator: bigint; denominator: bigint } {
    const denominator = BigInt(powerOfTen(this.exponent));
    return { numerator: this.decimal.units() + this.binary.units() * denominator, denominator };
  }

  /** In about 100 bits; undefined when that is too near the middle of two float64 to tell which is nearest. */
  #quickValue(): number | undefined {
    const { decimal, binary } = this;
    const power = powerOfTen(this.exponent);
    const quotient = decimal.hi / power;
    const product = new ExactSum();
    product.addProduct(quotient, -power);
    product.add(decimal.hi);
    if (product.isWide) return undefined;
    const rest = (product.hi + (product.lo + decimal.lo)) / power;
    const sum = quotient + binary.hi;
    const part = sum - quotient;
    const error = quotient - (sum - part) + (binary.hi - part);
    const low = error + (rest + binary.lo);
    const doubt = 2 ** -98 * (Math.abs(quotient) + Math.abs(binary.hi));
    const above = sum + (low + doubt);
    return above === sum + (low - doubt) && Number.isFinite(above) && doubt > 2 ** -1000 ? above : undefined;
  }
}
