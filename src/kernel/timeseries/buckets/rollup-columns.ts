import type { ByteReader, ByteWriter } from "../codec/bytes.ts";
import { CorruptBlob } from "../codec/corrupt.ts";
import { decodeIntegers } from "../codec/integers-decode.ts";
import { encodeIntegers } from "../codec/integers-encode.ts";
import { decodeValues, encodeValues } from "../codec/values.ts";
import type { TotalColumn } from "./rollup-page.ts";

/** What the integers of a column may all be multiples of: seconds, milliseconds, and what many decimals leave over. */
const units = [1_000_000, 1000, 100, 10, 1];

/** Safe integers, at most 2^51 apart: a byte for the unit, then the integers in it. */
export const encodeUnits = (writer: ByteWriter, column: Float64Array): boolean => {
  const at = units.findIndex((unit) => column.every((integer) => isMultiple(integer, unit)));
  const unit = units[at];
  if (unit === undefined) return false;
  const start = writer.length;
  writer.byte(at);
  // Adding 0 turns -0, which is no integer here, into 0.
  if (encodeIntegers(writer, unit === 1 ? column : column.map((value) => value / unit + 0), column.length))
    return true;
  writer.rewind(start);
  return false;
};

/** Exact for safe integers, and much faster than the remainder of two doubles; others are left to that. */
const isMultiple = (integer: number, unit: number): boolean =>
  Number.isSafeInteger(integer) ? Math.floor(integer / unit) * unit === integer : integer % unit === 0;

/** @throws CorruptBlob */
export const decodeUnits = (reader: ByteReader, count: number): Float64Array => {
  const unit = units[reader.byte()];
  if (unit === undefined) throw new CorruptBlob("The blob names an unknown unit of integers.");
  const column = new Float64Array(count);
  decodeIntegers(reader, column, count, unit, 0);
  return column;
};

export const decodeNumbers = (reader: ByteReader, count: number): Float64Array => {
  const column = new Float64Array(count);
  decodeValues(reader, column, count);
  return column;
};

/** A total's column is a byte of flags, and either its `hi` alone as integers less `guess`, or each part as numbers. */
const asIntegers = 128;
const parts = ["lo", "binaryHi", "binaryLo"] as const;

/** `guess` is what the other columns let one expect for `hi`, in integers; both sides compute it alike. */
export const encodeTotals = (writer: ByteWriter, column: TotalColumn, guess: Float64Array): void => {
  const present = parts.map((name) => column[name]);
  const start = writer.length;
  if (present.every((part) => part === undefined)) {
    writer.byte(asIntegers);
    const rest = column.hi.map((value, i) => value - (guess[i] as number));
    const exact = column.hi.every((value, i) => isSmall(value) && isSmall(guess[i] as number));
    if (exact && encodeUnits(writer, rest)) return;
    writer.rewind(start);
  }
  writer.byte(present.reduce((flags, part, i) => flags + (part === undefined ? 0 : 1 << i), 0));
  encodeValues(writer, column.hi, column.hi.length);
  for (const part of present) if (part !== undefined) encodeValues(writer, part, part.length);
};

/** Integers whose difference is exact. */
const isSmall = (value: number): boolean => Number.isInteger(value) && Math.abs(value) < 2 ** 51;

/** @throws CorruptBlob */
export const decodeTotals = (reader: ByteReader, guess: Float64Array): TotalColumn => {
  const count = guess.length;
  const flags = reader.byte();
  if (flags === asIntegers) {
    const hi = decodeUnits(reader, count);
    for (let i = 0; i < count; i++) hi[i] = (hi[i] as number) + (guess[i] as number);
    return { hi };
  }
  if (flags >= 1 << parts.length) throw new CorruptBlob(`The blob names unknown parts ${flags} of totals.`);
  const hi = decodeNumbers(reader, count);
  const read = parts.map((name, i) =>
    (flags & (1 << i)) === 0 ? [] : ([[name, decodeNumbers(reader, count)]] as const),
  );
  return { hi, ...Object.fromEntries(read.flat()) };
};
