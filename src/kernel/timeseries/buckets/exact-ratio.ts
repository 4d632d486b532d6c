/** Exact arithmetic on float64 by integers without bound: the slow path that sums fall back to, and their check. */

const bits = new DataView(new ArrayBuffer(8));
const implicitBit = 1n << 52n;

/** A finite float64 as an integer multiple of 2^-1074, which every one of them is. */
export const toUnits = (value: number): bigint => {
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = Number((word >> 52n) & 2047n);
  const fraction = word & (implicitBit - 1n);
  const magnitude = exponent === 0 ? fraction : (fraction | implicitBit) << BigInt(exponent - 1);
  return value < 0 ? -magnitude : magnitude;
};

/** The float64 nearest to numerator / denominator * 2^-1074, ties to even; infinite beyond the greatest one. */
export const nearest = (numerator: bigint, denominator: bigint): number => {
  if (numerator < 0n) return -nearest(-numerator, denominator);
  let quotient = numerator / denominator;
  let inexact = quotient * denominator !== numerator;
  const length = quotient.toString(2).length;
  if (length <= 53) {
    // Below 2^-1021 the unit itself is the last place.
    const twice = 2n * (numerator - quotient * denominator);
    if (twice > denominator || (twice === denominator && (quotient & 1n) === 1n)) quotient++;
    return Number(quotient) * 2 ** -1074;
  }
  const dropped = Math.max(0, length - 64);
  const kept = quotient >> BigInt(dropped);
  inexact ||= kept << BigInt(dropped) !== quotient;
  // One more bit that says 'and a little more' lets the conversion, which rounds ties to even, see all.
  const rounded = Number((kept << 1n) | (inexact ? 1n : 0n)) / 2;
  return rounded * 2 ** (dropped - 1074);
};
