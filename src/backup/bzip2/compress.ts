import { BitWriter } from "./bit-writer.ts";
import {
  blockMagic,
  combined,
  crcEnd,
  crcStart,
  crcWith,
  endMagic,
  groupSize,
  levelBytes,
} from "./format.ts";
import { codesOf } from "./huffman.ts";
import { transform } from "./rotations.ts";
import { toSymbols } from "./symbols.ts";
import { fitTables, type Tables } from "./tables.ts";

const level = 9;
/** What a block may hold, less what its last run may add. */
const blockLimit = level * levelBytes - 20;
const longestRun = 255;

/** One bzip2 stream, as `bzip2 -9` makes them; holds one block of 900 kB at a time. */
export class Bzip2Writer {
  readonly #bits = new BitWriter();
  readonly #block = new Uint8Array(level * levelBytes);
  #length = 0;
  #crc = crcStart;
  #streamCrc = 0;
  #run = 0;
  #byte = -1;

  constructor() {
    for (const byte of [0x42, 0x5a, 0x68, 0x30 + level]) this.#bits.write(8, byte);
  }

  /** @returns what has become of it so far; perhaps nothing */
  push(bytes: Uint8Array): Uint8Array {
    for (const byte of bytes) {
      if (byte === this.#byte && this.#run < longestRun) this.#run += 1;
      else {
        this.#endRun();
        this.#byte = byte;
        this.#run = 1;
      }
    }
    return this.#bits.take();
  }

  /** The rest of the stream. */
  end(): Uint8Array {
    this.#endRun();
    this.#endBlock();
    for (const part of endMagic) this.#bits.write(24, part);
    this.#bits.write32(this.#streamCrc);
    this.#bits.pad();
    return this.#bits.take();
  }

  /** Four equal bytes are followed by the number of further ones. */
  #endRun(): void {
    if (this.#run === 0) return;
    for (let count = 0; count < this.#run; count += 1) this.#crc = crcWith(this.#crc, this.#byte);
    for (let count = Math.min(this.#run, 4); count > 0; count -= 1) this.#block[this.#length++] = this.#byte;
    if (this.#run >= 4) this.#block[this.#length++] = this.#run - 4;
    this.#run = 0;
    if (this.#length >= blockLimit) this.#endBlock();
  }

  #endBlock(): void {
    if (this.#length === 0) return;
    const crc = crcEnd(this.#crc);
    this.#streamCrc = combined(this.#streamCrc, crc);
    writeBlock(this.#bits, this.#block.subarray(0, this.#length), crc);
    this.#length = 0;
    this.#crc = crcStart;
  }
}

function writeBlock(bits: BitWriter, block: Uint8Array, crc: number): void {
  const { last, origin } = transform(block);
  const { used, symbols } = toSymbols(last);
  for (const part of blockMagic) bits.write(24, part);
  bits.write32(crc);
  bits.write(1, 0);
  bits.write(24, origin);
  writeUsed(bits, used);
  const tables = fitTables(symbols, used.length + 2);
  writeTables(bits, tables);
  const codes = tables.lengths.map(codesOf);
  for (const [group, table] of tables.selectors.entries()) {
    const own = codes[table] as Uint32Array;
    const lengths = tables.lengths[table] as Uint8Array;
    for (const symbol of symbols.subarray(group * groupSize, (group + 1) * groupSize))
      bits.write(lengths[symbol] as number, own[symbol] as number);
  }
}

/** A bit for each sixteen bytes of which one occurs, then one for each byte of those sixteens. */
function writeUsed(bits: BitWriter, used: readonly number[]): void {
  const rows = new Uint16Array(16);
  for (const byte of used) rows[byte >> 4] = (rows[byte >> 4] as number) | (0x8000 >> (byte & 15));
  for (const row of rows) bits.write(1, Number(row > 0));
  for (const row of rows) if (row > 0) bits.write(16, row);
}

function writeTables(bits: BitWriter, { lengths, selectors }: Tables): void {
  bits.write(3, lengths.length);
  bits.write(15, selectors.length);
  const front = [...lengths.keys()];
  for (const table of selectors) {
    const place = front.indexOf(table);
    front.splice(place, 1);
    front.unshift(table);
    for (let count = 0; count < place; count += 1) bits.write(1, 1);
    bits.write(1, 0);
  }
  for (const own of lengths) {
    let current = own[0] as number;
    bits.write(5, current);
    for (const length of own) {
      for (; current < length; current += 1) bits.write(2, 0b10);
      for (; current > length; current -= 1) bits.write(2, 0b11);
      bits.write(1, 0);
    }
  }
}
