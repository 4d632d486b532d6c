import { maxCount } from "./bits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptBlob } from "./corrupt.ts";
import { forms } from "./integer-forms.ts";
import { decodeIntegers, readLinear } from "./integers-decode.ts";
import { encodeIntegers, encodeLinear } from "./integers-encode.ts";

/**
 * Times as a run of integers in units of the greatest common divisor of their distances: 10 s spacing with a few
 * gaps costs bits, not microseconds. First byte: 0 for raw float64 (a span beyond exact arithmetic), else
 * 1 + the power of ten in the unit.
 */
const raw = 0;
const powersOfTen = new Float64Array([
  ...[1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7],
  ...[1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15],
]);

const ticks = new Float64Array(maxCount);

const gcd = (a: number, b: number): number => {
  let x = a;
  let y = b;
  while (y !== 0) {
    const rest = x % y;
    x = y;
    y = rest;
  }
  return x;
};

/** The unit all distances are multiples of; 1 for a single time. */
const unitOf = (times: Float64Array, count: number): number => {
  let unit = 0;
  let previous = times[0] as number;
  for (let i = 1; i < count; i++) {
    const time = times[i] as number;
    const step = time - previous;
    previous = time;
    if (!(step > 0)) throw new RangeError(`The times of a page must ascend; the one at index ${i} does not.`);
    // Exact below 2^53, and much faster than the remainder of two doubles.
    if (unit === 1 || Math.floor(step / unit) * unit === step) continue;
    unit = unit === 0 ? step : gcd(step, unit);
  }
  return unit === 0 ? 1 : unit;
};

/** Writes `times[0, count)`: ascending safe integers. Throws RangeError when they are not. */
export const encodeTimes = (writer: ByteWriter, times: Float64Array, count: number): void => {
  const first = times[0] as number;
  const last = times[count - 1] as number;
  const unit = unitOf(times, count);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || !Number.isInteger(unit)) {
    throw new RangeError("The times of a page must be safe integers.");
  }
  const start = writer.length;
  if (last - first <= Number.MAX_SAFE_INTEGER && writeTicks(writer, times, count, unit)) return;
  writer.rewind(start);
  writer.byte(raw);
  writer.append(new Uint8Array(times.buffer, times.byteOffset, count * 8));
};

/** Returns false when the times are too many units apart. */
const writeTicks = (writer: ByteWriter, times: Float64Array, count: number, unit: number): boolean => {
  const first = times[0] as number;
  const rest = first % unit;
  const firstTick = (first - rest) / unit;
  let exponent = 0;
  let mantissa = unit;
  while (mantissa % 10 === 0 && exponent < powersOfTen.length - 1) {
    mantissa /= 10;
    exponent++;
  }
  writer.byte(1 + exponent);
  writer.varint(mantissa);
  writer.signed(rest);
  if ((times[count - 1] as number) - first === (count - 1) * unit) {
    // No step is shorter than the unit, so that all of them are the unit.
    encodeLinear(writer, firstTick, 1);
    return true;
  }
  for (let i = 0; i < count; i++) ticks[i] = firstTick + ((times[i] as number) - first) / unit;
  return encodeIntegers(writer, ticks, count);
};

/** Fills `target` (its whole length); throws CorruptBlob. */
export const decodeTimes = (reader: ByteReader, target: Float64Array): void => {
  const step = readTimes(reader, target, target.length);
  if (step === 0) return;
  const first = target[0] as number;
  for (let i = 1; i < target.length; i++) target[i] = first + i * step;
};

/**
 * Where all times are equally far apart, returns that distance and writes but the first time; else fills
 * `target[0, count)` and returns 0. Throws CorruptBlob.
 */
export const readTimes = (reader: ByteReader, target: Float64Array, count: number): number => {
  const kind = reader.byte();
  if (kind === raw) {
    new Uint8Array(target.buffer, target.byteOffset, count * 8).set(reader.take(count * 8));
    return 0;
  }
  const power = powersOfTen[kind - 1];
  if (power === undefined) throw new CorruptBlob(`The blob names an unknown kind ${kind} of times.`);
  const unit = reader.varint() * power;
  const rest = reader.signed();
  if (reader.peek() !== forms.linear) {
    decodeIntegers(reader, target, count, unit, rest);
    return 0;
  }
  const { first, step } = readLinear(reader);
  target[0] = first * unit + rest;
  if (!(step * unit > 0)) throw new CorruptBlob("The times of the blob do not ascend.");
  return step * unit;
};
