import { type BitReader, CorruptBzip2 } from "./bit-reader.ts";

const longestRead = 20;

/** Reads symbols of one prefix code, bit by bit: codes of a length are consecutive. */
export class PrefixCode {
  readonly #limits = new Int32Array(longestRead + 2).fill(-1);
  readonly #offsets = new Int32Array(longestRead + 2);
  readonly #symbols: Uint16Array;
  readonly #shortest: number;

  constructor(lengths: Uint8Array) {
    const symbols: number[] = [];
    let code = 0;
    for (let length = 1; length <= longestRead; length += 1) {
      this.#offsets[length] = symbols.length - code;
      for (const [symbol, own] of lengths.entries())
        if (own === length) {
          symbols.push(symbol);
          code += 1;
        }
      this.#limits[length] = code;
      code <<= 1;
    }
    this.#symbols = Uint16Array.from(symbols);
    this.#shortest = Math.min(...lengths);
  }

  next(bits: BitReader): number {
    let length = this.#shortest;
    let code = bits.read(length);
    while (code >= (this.#limits[length] as number)) {
      if (length >= longestRead) throw new CorruptBzip2("A code of the bzip2 data stands for nothing.");
      code = (code << 1) | bits.read(1);
      length += 1;
    }
    const symbol = this.#symbols[code + (this.#offsets[length] as number)];
    if (symbol === undefined) throw new CorruptBzip2("A code of the bzip2 data stands for nothing.");
    return symbol;
  }
}
