import { type BitReader, CorruptBzip2 } from "./bit-reader.ts";
import { crcEnd, crcStart, crcWith, groupSize, runB } from "./format.ts";
import { PrefixCode } from "./prefix-code.ts";

export interface Block {
  readonly crc: number;
  readonly bytes: Uint8Array;
}

/** What follows the magic number of a block. `limit`: the bytes a block of this stream may hold. */
export function readBlock(bits: BitReader, limit: number): Block {
  const crc = bits.read32();
  if (bits.read(1) === 1)
    throw new CorruptBzip2("Randomised blocks, which bzip2 no longer writes, are not read.");
  const origin = bits.read(24);
  const used = readUsed(bits);
  const selectors = readSelectors(bits);
  const codes = Array.from({ length: selectors.tables }, () => readCode(bits, used.length + 2));
  const last = readSymbols(bits, used, { selectors: selectors.choices, codes, limit });
  if (origin >= last.length) throw new CorruptBzip2("The bzip2 data name a row that does not exist.");
  const bytes = withoutRuns(inverse(last, origin));
  let found = crcStart;
  for (const byte of bytes) found = crcWith(found, byte);
  if (crcEnd(found) !== crc) throw new CorruptBzip2("The checksum of the bzip2 data is wrong.");
  return { crc, bytes };
}

function readUsed(bits: BitReader): Uint8Array {
  const rows = bits.read(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row += 1) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const own = bits.read(16);
    for (let column = 0; column < 16; column += 1)
      if ((own & (0x8000 >> column)) !== 0) used.push(row * 16 + column);
  }
  if (used.length === 0) throw new CorruptBzip2("A block of the bzip2 data holds no byte.");
  return Uint8Array.from(used);
}

function readSelectors(bits: BitReader): { readonly tables: number; readonly choices: Uint8Array } {
  const tables = bits.read(3);
  const choices = new Uint8Array(bits.read(15));
  if (tables < 2 || tables > 6 || choices.length === 0)
    throw new CorruptBzip2("The bzip2 data have an impossible number of tables.");
  const front = Uint8Array.from({ length: tables }, (_, table) => table);
  for (let group = 0; group < choices.length; group += 1) {
    let place = 0;
    while (bits.read(1) === 1) place += 1;
    const table = front[place];
    if (table === undefined) throw new CorruptBzip2("The bzip2 data choose a table that does not exist.");
    front.copyWithin(1, 0, place);
    front[0] = table;
    choices[group] = table;
  }
  return { tables, choices };
}

function readCode(bits: BitReader, alphabet: number): PrefixCode {
  const lengths = new Uint8Array(alphabet);
  let length = bits.read(5);
  for (let symbol = 0; symbol < alphabet; symbol += 1) {
    while (bits.read(1) === 1) length += bits.read(1) === 1 ? -1 : 1;
    if (length < 1 || length > 20) throw new CorruptBzip2("The bzip2 data have a code of impossible length.");
    lengths[symbol] = length;
  }
  return new PrefixCode(lengths);
}

interface Coding {
  readonly selectors: Uint8Array;
  readonly codes: readonly PrefixCode[];
  readonly limit: number;
}

/** The last bytes of the sorted rotations. */
function readSymbols(bits: BitReader, used: Uint8Array, { selectors, codes, limit }: Coding): Uint8Array {
  const bytes = new Uint8Array(limit);
  const front = used.slice();
  let length = 0;
  let run = 0;
  let digit = 1;
  for (let count = 0; ; count += 1) {
    const code = codes[selectors[Math.floor(count / groupSize)] ?? -1];
    if (code === undefined) throw new CorruptBzip2("The bzip2 data do not end their block.");
    const symbol = code.next(bits);
    if (symbol <= runB) {
      run += digit << symbol;
      digit <<= 1;
      if (run <= limit) continue;
    }
    if (length + run + Number(symbol <= used.length) > limit)
      throw new CorruptBzip2("A block of the bzip2 data is larger than announced.");
    bytes.fill(front[0] as number, length, length + run);
    length += run;
    run = 0;
    digit = 1;
    if (symbol > used.length) return bytes.subarray(0, length);
    const byte = front[symbol - 1] as number;
    front.copyWithin(1, 0, symbol - 1);
    front[0] = byte;
    bytes[length++] = byte;
  }
}

/** The block from the last bytes of its sorted rotations. */
function inverse(last: Uint8Array, origin: number): Uint8Array {
  const starts = new Int32Array(256);
  for (const byte of last) starts[byte] = (starts[byte] as number) + 1;
  let sum = 0;
  for (const [byte, count] of starts.entries()) {
    starts[byte] = sum;
    sum += count;
  }
  const next = new Int32Array(last.length);
  let row = 0;
  for (const byte of last) {
    const place = starts[byte] as number;
    next[place] = row++;
    starts[byte] = place + 1;
  }
  const bytes = new Uint8Array(last.length);
  row = next[origin] as number;
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = last[row] as number;
    row = next[row] as number;
  }
  return bytes;
}

/** Undoes the first step: after four equal bytes comes the number of further ones. */
function withoutRuns(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(unpackedLength(bytes));
  let length = 0;
  let same = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    same = at > 0 && same > 0 && byte === bytes[at - 1] ? same + 1 : 1;
    result[length++] = byte;
    if (same < 4) continue;
    const more = bytes[++at] ?? 0;
    result.fill(byte, length, length + more);
    length += more;
    same = 0;
  }
  return result;
}

function unpackedLength(bytes: Uint8Array): number {
  let length = 0;
  let same = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    same = at > 0 && same > 0 && bytes[at] === bytes[at - 1] ? same + 1 : 1;
    length += 1;
    if (same < 4) continue;
    length += bytes[++at] ?? 0;
    same = 0;
  }
  return length;
}
