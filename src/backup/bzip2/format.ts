/** What both directions of the bzip2 format share. */

export const blockMagic = [0x314159, 0x265359] as const;
export const endMagic = [0x177245, 0x385090] as const;

/** Symbols of one Huffman table before the next is chosen. */
export const groupSize = 50;

/** The two symbols in which lengths of zero runs are written, in bijective base 2. */
export const runA = 0;
export const runB = 1;

/** Bytes a block may hold per level, after the first run-length step. */
export const levelBytes = 100_000;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

export const crcStart = 0xffffffff;

/** The CRC with one more byte; highest bit first, unlike that of zip. */
export const crcWith = (crc: number, byte: number): number =>
  ((crc << 8) ^ (crcTable[((crc >>> 24) ^ byte) & 0xff] as number)) >>> 0;

export const crcEnd = (crc: number): number => ~crc >>> 0;

/** The CRC of a stream from those of its blocks. */
export const combined = (stream: number, block: number): number =>
  (((stream << 1) | (stream >>> 31)) ^ block) >>> 0;
