import type { ByteReader, ByteWriter } from "../codec/bytes.ts";
import { CorruptBlob } from "../codec/corrupt.ts";
import { ExactSum } from "./exact-sum.ts";
import { type TotalName, totalNames } from "./rollup-page.ts";
import { maxExponent, Total } from "./total.ts";

/** The greatest float64 times the greatest time has 2,151 bits in units of 2^-1074; the rest is room for counts. */
const maxBytes = 320;

/** Per row: its index, then for each total its exponent and its two sums as integers of any length. */
export const encodeWide = (
  writer: ByteWriter,
  wide: ReadonlyMap<number, Readonly<Record<TotalName, Total>>>,
): void => {
  writer.varint(wide.size);
  for (const [row, totals] of wide) {
    writer.varint(row);
    for (const name of totalNames) {
      const { exponent, decimal, binary } = totals[name];
      writer.byte(exponent);
      writeInteger(writer, decimal.units());
      writeInteger(writer, binary.units());
    }
  }
};

/** @throws CorruptBlob */
export const decodeWide = (reader: ByteReader, rows: number): Map<number, Record<TotalName, Total>> => {
  const wide = new Map<number, Record<TotalName, Total>>();
  const size = reader.count(rows);
  for (let i = 0; i < size; i++) {
    const row = reader.count(rows - 1);
    wide.set(row, { sum: readTotal(reader), area: readTotal(reader), increase: readTotal(reader) });
  }
  return wide;
};

const readTotal = (reader: ByteReader): Total => {
  const total = new Total();
  const exponent = reader.byte();
  if (exponent > maxExponent) throw new CorruptBlob(`A total's exponent is ${exponent}.`);
  total.rescale(exponent);
  total.decimal.addSum(ExactSum.ofUnits(readInteger(reader)), 1);
  total.binary.addSum(ExactSum.ofUnits(readInteger(reader)), 1);
  return total;
};

const writeInteger = (writer: ByteWriter, integer: bigint): void => {
  const digits = (integer < 0n ? -integer : integer).toString(16);
  const bytes = integer === 0n ? [] : Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  writer.varint(bytes.length * 2 + (integer < 0n ? 1 : 0));
  writer.append(Uint8Array.from(bytes));
};

const readInteger = (reader: ByteReader): bigint => {
  const head = reader.count(maxBytes * 2 + 1);
  const bytes = reader.take(head >>> 1);
  const magnitude = bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  return head % 2 === 1 ? -magnitude : magnitude;
};
