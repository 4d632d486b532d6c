import { maxCount } from "./bits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptBlob } from "./corrupt.ts";
import { decodeIntegers } from "./integers-decode.ts";
import { encodeIntegers } from "./integers-encode.ts";

/**
 * Numbers as integers over the smallest power of ten that gives each back exactly (Object.is, so -0 is not 0).
 * A few that no power gives back (-0, a stray 1/3) stand apart as exceptions with their float64. Where that is not
 * smaller: raw float64. First byte: 0 for raw, else 1 + exponent, plus 128 when there are exceptions.
 */
const raw = 0;
const withExceptions = 128;
const powersOfTen = new Float64Array([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]);

/** Below this, adding and taking away `roundingShift` leaves the nearest integer. */
const maxInteger = 2 ** 51;

const roundingShift = 1.5 * 2 ** 52;

const integers = new Float64Array(maxCount);
const exceptions = new Float64Array(maxCount);
const exceptionBits = new Float64Array(maxCount);

/** Tries one power of ten, fills `integers`, and returns the number of exceptions; gives up beyond `limit`. */
const scale = (values: Float64Array, count: number, power: number, limit: number): number => {
  let missed = 0;
  let previous = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    // Rounds to an integer, and never to -0; several times faster than Math.round.
    const integer = value * power + roundingShift - roundingShift;
    const exact = integer / power === value && integer < maxInteger && integer > -maxInteger;
    if (exact && (integer !== 0 || 1 / value > 0)) {
      previous = integer;
    } else {
      if (missed >= limit) return missed + 1;
      exceptions[missed++] = i;
    }
    integers[i] = previous;
  }
  return missed;
};

interface Scaling {
  readonly exponent: number;
  readonly missed: number;
}

/** The first exponent without exceptions, else the one with fewest, else undefined. Leaves `integers` filled for it. */
const findScaling = (values: Float64Array, count: number): Scaling | undefined => {
  const limit = count >>> 3;
  let best: Scaling | undefined;
  let filled = -1;
  for (let exponent = 0; exponent < powersOfTen.length; exponent++) {
    const missed = scale(
      values,
      count,
      powersOfTen[exponent] as number,
      best === undefined ? limit : best.missed,
    );
    filled = exponent;
    if (missed > limit || (best !== undefined && missed >= best.missed)) continue;
    best = { exponent, missed };
    if (missed === 0) break;
  }
  if (best !== undefined && best.exponent !== filled) {
    scale(values, count, powersOfTen[best.exponent] as number, limit);
  }
  return best;
};

/** Leading exceptions repeat the first good integer rather than 0, which would cost a wide first step. */
const fillLeading = (missed: number): void => {
  let leading = 0;
  while (leading < missed && exceptions[leading] === leading) leading++;
  if (leading > 0) integers.fill(integers[leading] ?? 0, 0, leading);
};

const bytesOf = (values: Float64Array, count: number): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, count * 8);

/** Returns false when the integers are too far apart. */
const writeScaled = (writer: ByteWriter, values: Float64Array, count: number, scaling: Scaling): boolean => {
  const { exponent, missed } = scaling;
  fillLeading(missed);
  writer.byte(1 + exponent + (missed > 0 ? withExceptions : 0));
  if (!encodeIntegers(writer, integers, count)) return false;
  if (missed === 0) return true;
  writer.varint(missed);
  for (let i = 0; i < missed; i++) exceptionBits[i] = values[exceptions[i] as number] as number;
  encodeIntegers(writer, exceptions, missed);
  writer.append(bytesOf(exceptionBits, missed));
  return true;
};

/** Writes `values[0, count)`, 1 to 65,536 of any float64. */
export const encodeValues = (writer: ByteWriter, values: Float64Array, count: number): void => {
  const start = writer.length;
  const scaling = findScaling(values, count);
  if (scaling !== undefined && writeScaled(writer, values, count, scaling)) {
    if (writer.length - start <= 1 + count * 8) return;
  }
  writer.rewind(start);
  writer.byte(raw);
  writer.append(bytesOf(values, count));
};

/** Fills `target[0, count)`; throws CorruptBlob. */
export const decodeValues = (reader: ByteReader, target: Float64Array, count: number): void => {
  const kind = reader.byte();
  if (kind === raw) {
    bytesOf(target, count).set(reader.take(count * 8));
    return;
  }
  const power = powersOfTen[(kind & ~withExceptions) - 1];
  if (power === undefined) throw new CorruptBlob(`The blob names an unknown kind ${kind} of values.`);
  decodeIntegers(reader, target, count, 1, 0);
  if (power !== 1) for (let i = 0; i < count; i++) target[i] = (target[i] as number) / power;
  if (kind >= withExceptions) restoreExceptions(reader, target, count);
};

/** The exponent of values that are nothing but integers over a power of ten, which then follow; undefined for others. */
export const readExponent = (reader: ByteReader): number | undefined => {
  const kind = reader.byte();
  return kind === raw || kind > powersOfTen.length ? undefined : kind - 1;
};

const restoreExceptions = (reader: ByteReader, target: Float64Array, count: number): void => {
  const missed = reader.count(count);
  if (missed === 0) throw new CorruptBlob("The blob announces exceptions but has none.");
  decodeIntegers(reader, exceptions, missed, 1, 0);
  bytesOf(exceptionBits, missed).set(reader.take(missed * 8));
  for (let i = 0; i < missed; i++) {
    const at = exceptions[i] as number;
    if (!(at >= 0 && at < count))
      throw new CorruptBlob(`The blob has an exception at ${at}, outside its ${count} values.`);
    target[at] = exceptionBits[i] as number;
  }
};
