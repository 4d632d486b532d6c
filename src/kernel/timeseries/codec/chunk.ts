import { crc32 } from "node:zlib";
import { messageOf } from "../../errors.ts";
import type { PointPage } from "../types.ts";
import { maxCount } from "./bits.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { ChunkCorrupt, CorruptBlob } from "./corrupt.ts";
import type { ScaledRun } from "./scaled-run.ts";
import { ascendingTexts, decodeTexts, encodeTexts } from "./texts.ts";
import { decodeTimes, encodeTimes } from "./times.ts";
import { decodeValues, encodeValues } from "./values.ts";

/**
 * The blob of a chunk: CRC-32 of all that follows (4 bytes, least significant first), version, flags, count - 1 in
 * two bytes (so no header can ask for more than 65,536 points), then times, texts if any, and the numbers if any.
 */
const version = 1;
const headerSize = 8;
const hasTexts = 1;

const writer = new ByteWriter();
const numbers = new Float64Array(maxCount);

/** The most points a chunk can hold. */
export const maxChunkPoints = maxCount;

/**
 * Encodes 1 to 65,536 points; `decodeChunk` gives back the same bits. A text with a lone surrogate comes back with
 * its JSON escape instead.
 * @throws RangeError for an empty or too long page, times that do not ascend or are no safe integers, a text outside
 *   the page, and more than 256 MiB of texts
 */
export const encodeChunk = (page: PointPage): Uint8Array<ArrayBuffer> => {
  const count = page.times.length;
  if (count < 1 || count > maxCount || page.values.length !== count) {
    throw new RangeError(
      `A chunk holds 1 to ${maxCount} points, not ${count} times and ${page.values.length} values.`,
    );
  }
  const texts =
    page.texts !== undefined && page.texts.size > 0 ? ascendingTexts(page.texts, count) : undefined;
  writer.reset();
  for (let i = 0; i < 4; i++) writer.byte(0);
  writer.byte(version);
  writer.byte(texts === undefined ? 0 : hasTexts);
  writer.byte((count - 1) & 255);
  writer.byte((count - 1) >>> 8);
  encodeTimes(writer, page.times, count);
  if (texts === undefined) {
    encodeValues(writer, page.values, count);
  } else {
    encodeTexts(writer, texts, count);
    const numeric = gather(page.values, texts);
    if (numeric > 0) encodeValues(writer, numbers, numeric);
  }
  return seal(writer.view().slice());
};

const seal = (blob: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
  const sum = crc32(blob.subarray(4));
  for (let i = 0; i < 4; i++) blob[i] = sum >>> (8 * i);
  return blob;
};

/** Moves the values that are no texts to the front of `numbers`; returns how many there are. */
const gather = (values: Float64Array, texts: ReadonlyMap<number, string>): number => {
  let count = 0;
  let from = 0;
  for (const index of texts.keys()) {
    for (; from < index; from++) numbers[count++] = values[from] as number;
    from = index + 1;
  }
  for (; from < values.length; from++) numbers[count++] = values[from] as number;
  return count;
};

/** The inverse of `gather`, in place: `values` holds the numbers at its front. */
const spread = (values: Float64Array, texts: ReadonlyMap<number, string>): void => {
  let from = values.length - texts.size;
  for (let i = values.length - 1; i >= 0; i--)
    values[i] = texts.has(i) ? Number.NaN : (values[--from] as number);
};

/** @throws ChunkCorrupt when a byte is damaged, missing or too many, or the version is not known */
export const decodeChunk = (blob: Uint8Array): PointPage => named(() => decode(blob));

/**
 * Reads the points as they lie in the chunk; false where that is not possible and only `decodeChunk` will do.
 * @throws ChunkCorrupt as `decodeChunk` does
 */
export const readRun = (blob: Uint8Array, run: ScaledRun): boolean =>
  named(() => {
    const { reader, flags, count } = open(blob);
    return flags === 0 && run.fill(reader, count);
  });

const named = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw new ChunkCorrupt(`The chunk cannot be decoded: ${messageOf(error)}`, { cause: error });
  }
};

interface Opened {
  /** Stands behind the header. */
  readonly reader: ByteReader;
  readonly flags: number;
  readonly count: number;
}

const open = (blob: Uint8Array): Opened => {
  if (blob.length < headerSize) throw new CorruptBlob(`It has only ${blob.length} bytes.`);
  const reader = new ByteReader(blob, 0);
  const sum = reader.byte() | (reader.byte() << 8) | (reader.byte() << 16) | (reader.byte() << 24);
  if ((crc32(blob.subarray(4)) | 0) !== sum) throw new CorruptBlob("Its checksum is wrong.");
  const known = reader.byte();
  if (known !== version) throw new CorruptBlob(`Its version is ${known}; this program knows ${version}.`);
  const flags = reader.byte();
  if (flags > hasTexts) throw new CorruptBlob(`Its flags are ${flags}.`);
  return { reader, flags, count: 1 + reader.byte() + (reader.byte() << 8) };
};

const decode = (blob: Uint8Array): PointPage => {
  const { reader, flags, count } = open(blob);
  // One block for both, not zeroed first, costs a third of two zeroed ones: each entry is written below.
  const { buffer } = Buffer.allocUnsafeSlow(count * 16);
  const times = new Float64Array(buffer, 0, count);
  const values = new Float64Array(buffer, count * 8, count);
  decodeTimes(reader, times);
  if (flags === 0) {
    decodeValues(reader, values, count);
    reader.expectEnd();
    return { times, values };
  }
  const texts = decodeTexts(reader, count);
  if (texts.size < count) decodeValues(reader, values, count - texts.size);
  spread(values, texts);
  reader.expectEnd();
  return { times, values, texts };
};
