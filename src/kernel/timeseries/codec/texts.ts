import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { maxCount } from "./bits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptBlob } from "./corrupt.ts";
import { decodeIntegers } from "./integers-decode.ts";
import { encodeIntegers } from "./integers-encode.ts";
import { utf8Of } from "./utf8.ts";

/**
 * JSON texts by index: the indexes (left out when every point is a text), a dictionary of the distinct texts (UTF-8,
 * zstd where that is smaller), and per index the number of its text: an on/off stream costs a bit per point.
 */
const maxTextBytes = 1 << 28;
/** Fewer bytes than this zstd does not make smaller. */
const worthCompressing = 64;

const plain = 0;
const zstd = 1;

const scratch = new Float64Array(maxCount);

/**
 * The texts in ascending order of their indexes: the map itself where it is so already. Throws RangeError when an
 * index is outside the page.
 */
export const ascendingTexts = (
  texts: ReadonlyMap<number, string>,
  count: number,
): ReadonlyMap<number, string> => {
  let ascending = true;
  let previous = -1;
  for (const index of texts.keys()) {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`There is a text at index ${index}, outside the ${count} points.`);
    }
    if (index < previous) ascending = false;
    previous = index;
  }
  return ascending ? texts : new Map([...texts].sort(([a], [b]) => a - b));
};

/** Writes the ascending texts (at least one) of a page of `count` points. Throws RangeError beyond 256 MiB of them. */
export const encodeTexts = (writer: ByteWriter, texts: ReadonlyMap<number, string>, count: number): void => {
  writer.varint(texts.size);
  if (texts.size < count) {
    fillScratch(texts.keys());
    encodeIntegers(writer, scratch, texts.size);
  }
  const entries = new Map<string, number>();
  const distinct: Buffer[] = [];
  let size = 0;
  let i = 0;
  for (const text of texts.values()) {
    let entry = entries.get(text);
    if (entry === undefined) {
      entry = distinct.length;
      entries.set(text, entry);
      const bytes = utf8Of(text);
      distinct.push(bytes);
      size += bytes.length;
    }
    scratch[i++] = entry;
  }
  if (size > maxTextBytes)
    throw new RangeError(`The texts of a page take ${size} bytes; ${maxTextBytes} are allowed.`);
  writer.varint(distinct.length);
  encodeIntegers(writer, scratch, texts.size);
  fillScratch(distinct.values().map((bytes) => bytes.length));
  encodeIntegers(writer, scratch, distinct.length);
  writeDictionary(writer, Buffer.concat(distinct, size));
};

const fillScratch = (integers: Iterable<number>): void => {
  let i = 0;
  for (const integer of integers) scratch[i++] = integer;
};

const writeDictionary = (writer: ByteWriter, bytes: Buffer): void => {
  const compressed = bytes.length < worthCompressing ? bytes : zstdCompressSync(bytes);
  const kept = compressed.length < bytes.length ? compressed : bytes;
  writer.byte(kept === bytes ? plain : zstd);
  writer.varint(kept.length);
  writer.append(kept);
};

/** Texts by index, ascending; throws CorruptBlob (or zlib's error for a broken zstd frame). */
export const decodeTexts = (reader: ByteReader, count: number): Map<number, string> => {
  const textCount = reader.count(count);
  if (textCount === 0) throw new CorruptBlob("The blob announces texts but has none.");
  const indexes = new Float64Array(textCount);
  if (textCount < count) decodeIntegers(reader, indexes, textCount, 1, 0);
  else for (let i = 0; i < textCount; i++) indexes[i] = i;
  let above = -1;
  for (const index of indexes) {
    if (!(index > above && index < count)) throw new CorruptBlob(`The blob has a text at index ${index}.`);
    above = index;
  }
  const distinctCount = reader.count(textCount);
  const entries = new Float64Array(textCount);
  decodeIntegers(reader, entries, textCount, 1, 0);
  const distinct = decodeDictionary(reader, distinctCount);
  const texts = new Map<number, string>();
  for (let i = 0; i < textCount; i++) {
    const text = distinct[entries[i] as number];
    if (text === undefined) throw new CorruptBlob("The blob names a text that its dictionary does not have.");
    texts.set(indexes[i] as number, text);
  }
  return texts;
};

const decodeDictionary = (reader: ByteReader, distinctCount: number): readonly string[] => {
  if (distinctCount === 0) throw new CorruptBlob("The blob's dictionary of texts is empty.");
  decodeIntegers(reader, scratch, distinctCount, 1, 0);
  let size = 0;
  for (let i = 0; i < distinctCount; i++) {
    const length = scratch[i] as number;
    if (!(length >= 0 && length <= maxTextBytes))
      throw new CorruptBlob(`A text of the blob has ${length} bytes.`);
    size += length;
  }
  if (size > maxTextBytes) throw new CorruptBlob(`The texts of the blob take ${size} bytes.`);
  const bytes = readDictionary(reader, size);
  const distinct: string[] = [];
  let at = 0;
  for (let i = 0; i < distinctCount; i++) {
    const end = at + (scratch[i] as number);
    distinct.push(bytes.toString("utf8", at, end));
    at = end;
  }
  return distinct;
};

const readDictionary = (reader: ByteReader, size: number): Buffer => {
  const form = reader.byte();
  if (form !== plain && form !== zstd)
    throw new CorruptBlob(`The blob names an unknown form ${form} of texts.`);
  const stored = reader.take(reader.count(maxTextBytes));
  const bytes =
    form === zstd
      ? zstdDecompressSync(stored, { maxOutputLength: size })
      : Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  if (bytes.length !== size)
    throw new CorruptBlob(`The blob has ${bytes.length} bytes of texts instead of ${size}.`);
  return bytes;
};
