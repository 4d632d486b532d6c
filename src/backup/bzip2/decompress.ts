import { BitReader, CorruptBzip2 } from "./bit-reader.ts";
import { readBlock } from "./block.ts";
import { blockMagic, combined, endMagic, levelBytes } from "./format.ts";

/** More than the worst block takes: 900,002 symbols of 20 bits, and the tables. */
const blockRoom = 2_400_000;

/**
 * The bytes of a bzip2 file, which may be several streams one after another, as `bzip2` and Python's `bz2` read them. Holds a
 * block and its input at a time.
 * @throws CorruptBzip2
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(source);
  await input.fill();
  do {
    yield* stream(input);
    input.bits.align();
    await input.fill();
  } while (input.bits.left > 0);
}

async function* stream(input: Input): AsyncGenerator<Uint8Array> {
  const { bits } = input;
  const level = bits.read(16) === 0x425a && bits.read(8) === 0x68 ? bits.read(8) - 0x30 : 0;
  if (level < 1 || level > 9) throw new CorruptBzip2("This is no bzip2 file.");
  let crc = 0;
  for (;;) {
    await input.fill();
    const [high, low] = [bits.read(24), bits.read(24)];
    if (high === endMagic[0] && low === endMagic[1]) break;
    if (high !== blockMagic[0] || low !== blockMagic[1])
      throw new CorruptBzip2("The bzip2 data have something else where a block should begin.");
    const block = readBlock(bits, level * levelBytes);
    crc = combined(crc, block.crc);
    yield block.bytes;
  }
  if (bits.read32() !== crc) throw new CorruptBzip2("The checksum of the bzip2 data is wrong.");
}

class Input {
  readonly bits = new BitReader();
  readonly #parts: AsyncIterator<Uint8Array>;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#parts = source[Symbol.asyncIterator]();
  }

  /** Makes sure that a whole block is at hand, or all that is left. */
  async fill(): Promise<void> {
    if (this.#ended || this.bits.left >= blockRoom) return;
    const added: Uint8Array[] = [];
    let length = this.bits.left;
    while (length < blockRoom) {
      const { value, done } = await this.#parts.next();
      if (done === true) {
        this.#ended = true;
        break;
      }
      added.push(value);
      length += value.length;
    }
    this.bits.add(added);
  }
}
