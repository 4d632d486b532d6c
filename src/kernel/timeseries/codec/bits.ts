import type { ByteReader, ByteWriter } from "./bytes.ts";
import { CorruptBlob } from "./corrupt.ts";

/**
 * Bit packing in blocks of 32: one width byte per block, then the blocks' bits, so that a full block of width w is
 * exactly w words of 32 bits and one loop serves all widths from 0 to 32. A block of zeros costs its width byte.
 * The widths of all blocks stand before the bits: the size is known, and checked, before anything is decoded.
 * Words are in the byte order of the machine; every platform the product runs on is little-endian.
 */
const blockLength = 32;
const blockShift = 5;

/** The greatest number of integers in one packed run, and of points in one chunk. */
export const maxCount = 65_536;

// One spare word: the last value's upper half is read even when it has none.
const words = new Int32Array(maxCount + 1);
const wordBytes = new Uint8Array(words.buffer);
const widths = new Uint8Array(maxCount >>> blockShift);

const blockCount = (count: number): number => (count + blockLength - 1) >>> blockShift;

/** Words that `length` (at most 32) integers take whose bits together are `bits`. */
export const wordsOf = (bits: number, length: number): number =>
  (length * (32 - Math.clz32(bits)) + 31) >>> 5;

/** Packs `source[from, from + count)`, each read as an unsigned 32-bit integer. */
export const pack = (writer: ByteWriter, source: Int32Array, from: number, count: number): void => {
  const blocks = blockCount(count);
  const end = from + count;
  let word = 0;
  for (let block = 0; block < blocks; block++) {
    const start = from + (block << blockShift);
    const stop = Math.min(start + blockLength, end);
    let bits = 0;
    for (let i = start; i < stop; i++) bits |= source[i] as number;
    const width = 32 - Math.clz32(bits);
    widths[block] = width;
    if (width > 0) word = packBlock(source, start, stop, width, word);
  }
  writer.append(widths.subarray(0, blocks));
  writer.append(wordBytes.subarray(0, word * 4));
};

const packBlock = (
  source: Int32Array,
  start: number,
  stop: number,
  width: number,
  firstWord: number,
): number => {
  let word = firstWord;
  let pending = 0;
  let used = 0;
  for (let i = start; i < stop; i++) {
    const value = source[i] as number;
    pending |= value << used;
    used += width;
    if (used >= 32) {
      words[word++] = pending;
      used -= 32;
      // A shift by 32 would be a shift by 0.
      pending = used === 0 ? 0 : value >>> (width - used);
    }
  }
  if (used > 0) words[word++] = pending;
  return word;
};

/**
 * The inverse of `pack`: fills `target[from, from + count)`. Returns the width of the widest block in bits. Throws
 * CorruptBlob when the bytes do not hold it.
 */
export const unpack = (reader: ByteReader, target: Int32Array, from: number, count: number): number => {
  const blocks = blockCount(count);
  widths.set(reader.take(blocks));
  let size = 0;
  let widest = 0;
  for (let block = 0; block < blocks; block++) {
    const width = widths[block] as number;
    if (width > 32) throw new CorruptBlob(`A block's width is ${width} bits.`);
    if (width > widest) widest = width;
    size += (width * Math.min(blockLength, count - (block << blockShift)) + 31) >>> 5;
  }
  wordBytes.set(reader.take(size * 4));
  const end = from + count;
  let word = 0;
  for (let block = 0; block < blocks; block++) {
    const start = from + (block << blockShift);
    const stop = Math.min(start + blockLength, end);
    const width = widths[block] as number;
    if (width === 0) zero(target, start, stop);
    else if (width > 16 || stop - start < blockLength) unpackSingly(target, start, stop, width, word);
    else if (width > 8) unpackPairs(target, start, width, word);
    else unpackQuads(target, start, width, word);
    word += (width * (stop - start) + 31) >>> 5;
  }
  return widest;
};

const zero = (target: Int32Array, start: number, stop: number): void => {
  for (let i = start; i < stop; i++) target[i] = 0;
};

/** The 32 bits from `bit` on, without a branch; the double shift keeps a shift by 32 from being one by 0. */
const window = (bit: number): number => {
  const at = bit >>> 5;
  const shift = bit & 31;
  return ((words[at] as number) >>> shift) | (((words[at + 1] as number) << 1) << (31 - shift));
};

const unpackSingly = (target: Int32Array, start: number, stop: number, width: number, word: number): void => {
  const mask = -1 >>> (32 - width);
  let bit = word << 5;
  for (let i = start; i < stop; i++) {
    target[i] = window(bit) & mask;
    bit += width;
  }
};

// One window for two or four values nearly doubles the speed; most real widths allow it.

const unpackPairs = (target: Int32Array, start: number, width: number, word: number): void => {
  const mask = -1 >>> (32 - width);
  let bit = word << 5;
  for (let i = start; i < start + blockLength; i += 2) {
    const bits = window(bit);
    target[i] = bits & mask;
    target[i + 1] = (bits >>> width) & mask;
    bit += 2 * width;
  }
};

const unpackQuads = (target: Int32Array, start: number, width: number, word: number): void => {
  const mask = -1 >>> (32 - width);
  let bit = word << 5;
  for (let i = start; i < start + blockLength; i += 4) {
    const bits = window(bit);
    target[i] = bits & mask;
    target[i + 1] = (bits >>> width) & mask;
    target[i + 2] = (bits >>> (2 * width)) & mask;
    target[i + 3] = (bits >>> (3 * width)) & mask;
    bit += 4 * width;
  }
};
