import { crc32 } from "node:zlib";
import { messageOf } from "../../errors.ts";
import { maxCount } from "../codec/bits.ts";
import { ByteReader, ByteWriter } from "../codec/bytes.ts";
import { CorruptBlob } from "../codec/corrupt.ts";
import { decodeTimes, encodeTimes } from "../codec/times.ts";
import { encodeValues } from "../codec/values.ts";
import { decodeNumbers, decodeTotals, decodeUnits, encodeTotals, encodeUnits } from "./rollup-columns.ts";
import { guessArea, guessIncrease, guessSum } from "./rollup-guesses.ts";
import type { RollupPage } from "./rollup-page.ts";
import { decodeWide, encodeWide } from "./rollup-wide.ts";
import { maxExponent } from "./total.ts";

/** A page of rollups is damaged, truncated or of an unknown version: it can be made again from the points. */
export class RollupCorrupt extends CorruptBlob {
  override readonly name = "RollupCorrupt";
}

/**
 * The blob of a page: CRC-32 of all that follows (4 bytes, least significant first), version, flags, rows - 1 in two
 * bytes, the exponent of the totals, then the columns one after the other.
 */
const version = 1;
const headerSize = 9;
/** 71 years in microseconds: a longer piece is none. */
const maxOffset = 2 ** 51;
const hasWide = 1;

const writer = new ByteWriter();

/**
 * Encodes 1 to 65,536 rows; `decodeRollups` gives back the same bits.
 * @throws RangeError for another number of rows, starts that do not ascend, times before or 71 years after their start
 */
export const encodeRollups = (page: RollupPage): Uint8Array<ArrayBuffer> => {
  const rows = page.starts.length;
  if (rows < 1 || rows > maxCount)
    throw new RangeError(`A page holds 1 to ${maxCount} rollups, not ${rows}.`);
  writer.reset();
  for (let i = 0; i < 4; i++) writer.byte(0);
  writer.byte(version);
  writer.byte(page.wide === undefined ? 0 : hasWide);
  writer.byte((rows - 1) & 255);
  writer.byte((rows - 1) >>> 8);
  writer.byte(page.exponent);
  encodeTimes(writer, page.starts, rows);
  writeUnits("counts", page.count);
  writeUnits(
    "counts",
    page.count.map((count, row) => count - (page.numeric[row] as number)),
  );
  // A row without a number has none of these; zeros cost least.
  const present = (column: Float64Array): Float64Array =>
    column.map((value, row) => (page.numeric[row] === 0 ? 0 : value));
  for (const column of [page.first, page.last, page.min, page.max])
    encodeValues(writer, present(column), rows);
  const sinceStart = (column: Float64Array): Float64Array =>
    present(column.map((time, row) => time - (page.starts[row] as number)));
  writeUnits("times", sinceStart(page.firstTime));
  writeUnits("times", sinceStart(page.lastTime));
  encodeTotals(writer, page.sum, guessSum(page));
  encodeTotals(writer, page.area, guessArea(page, page.sum.hi));
  encodeTotals(writer, page.increase, guessIncrease(page));
  if (page.wide !== undefined) encodeWide(writer, page.wide);
  return seal(writer.view().slice());
};

const writeUnits = (what: string, column: Float64Array): void => {
  const fits = column.every((value) => value >= 0 && value < maxOffset);
  if (!fits || !encodeUnits(writer, column))
    throw new RangeError(`The ${what} of a page of rollups are out of range.`);
};

const seal = (blob: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
  const sum = crc32(blob.subarray(4));
  for (let i = 0; i < 4; i++) blob[i] = sum >>> (8 * i);
  return blob;
};

/** @throws RollupCorrupt when a byte is damaged, missing or too many, or the version is not known */
export const decodeRollups = (blob: Uint8Array): RollupPage => {
  try {
    return decode(blob);
  } catch (error) {
    throw new RollupCorrupt(`The rollups cannot be decoded: ${messageOf(error)}`, { cause: error });
  }
};

const decode = (blob: Uint8Array): RollupPage => {
  if (blob.length < headerSize) throw new CorruptBlob(`It has only ${blob.length} bytes.`);
  const reader = new ByteReader(blob, 0);
  const sealed = reader.byte() | (reader.byte() << 8) | (reader.byte() << 16) | (reader.byte() << 24);
  if ((crc32(blob.subarray(4)) | 0) !== sealed) throw new CorruptBlob("Its checksum is wrong.");
  const known = reader.byte();
  if (known !== version) throw new CorruptBlob(`Its version is ${known}; this program knows ${version}.`);
  const flags = reader.byte();
  if (flags > hasWide) throw new CorruptBlob(`Its flags are ${flags}.`);
  const rows = 1 + reader.byte() + (reader.byte() << 8);
  const exponent = reader.byte();
  if (exponent > maxExponent) throw new CorruptBlob(`Its exponent is ${exponent}.`);
  const page = decodeColumns(reader, rows, exponent);
  const wide = flags === hasWide ? decodeWide(reader, rows) : undefined;
  reader.expectEnd();
  return wide === undefined ? page : { ...page, wide };
};

const decodeColumns = (reader: ByteReader, rows: number, exponent: number): RollupPage => {
  const starts = new Float64Array(rows);
  decodeTimes(reader, starts);
  const count = decodeUnits(reader, rows);
  const numeric = decodeUnits(reader, rows);
  for (let row = 0; row < rows; row++) numeric[row] = numericOf(count[row] as number, numeric[row] as number);
  const first = decodeNumbers(reader, rows);
  const last = decodeNumbers(reader, rows);
  const min = decodeNumbers(reader, rows);
  const max = decodeNumbers(reader, rows);
  const firstTime = decodeUnits(reader, rows);
  const lastTime = decodeUnits(reader, rows);
  for (let row = 0; row < rows; row++) {
    firstTime[row] = (firstTime[row] as number) + (starts[row] as number);
    lastTime[row] = (lastTime[row] as number) + (starts[row] as number);
  }
  const read = { starts, count, numeric, min, max, first, firstTime, last, lastTime, exponent };
  const sum = decodeTotals(reader, guessSum(read));
  const area = decodeTotals(reader, guessArea(read, sum.hi));
  const increase = decodeTotals(reader, guessIncrease(read));
  for (let row = 0; row < rows; row++) if (numeric[row] === 0) clear(read, row);
  return { ...read, sum, area, increase };
};

const numericOf = (count: number, texts: number): number => {
  const numeric = count - texts;
  if (numeric >= 0 && texts >= 0 && Number.isSafeInteger(count)) return numeric;
  throw new CorruptBlob(`It counts ${texts} texts among ${count} points.`);
};

const clear = (page: Omit<RollupPage, "sum" | "area" | "increase">, row: number): void => {
  page.min[row] = Number.POSITIVE_INFINITY;
  page.max[row] = Number.NEGATIVE_INFINITY;
  for (const column of [page.first, page.firstTime, page.last, page.lastTime]) column[row] = Number.NaN;
};
