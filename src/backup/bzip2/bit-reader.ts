/** The bytes are no bzip2 stream, or a damaged one. */
export class CorruptBzip2 extends Error {
  override readonly name = "CorruptBzip2";
}

/** Bytes to bits, highest bit first, of input that comes in parts. */
export class BitReader {
  #bytes = new Uint8Array(0);
  #at = 0;
  #bits = 0;
  #count = 0;

  /** Bytes not yet touched. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  add(parts: readonly Uint8Array[]): void {
    this.#bytes = new Uint8Array(Buffer.concat([this.#bytes.subarray(this.#at), ...parts]));
    this.#at = 0;
  }

  /** `width` up to 24. */
  read(width: number): number {
    while (this.#count < width) {
      if (this.#at >= this.#bytes.length) throw new CorruptBzip2("The bzip2 data end too early.");
      this.#bits = (this.#bits << 8) | (this.#bytes[this.#at++] as number);
      this.#count += 8;
    }
    this.#count -= width;
    const value = (this.#bits >>> this.#count) & ((1 << width) - 1);
    this.#bits &= (1 << this.#count) - 1;
    return value;
  }

  read32(): number {
    return ((this.read(16) << 16) | this.read(16)) >>> 0;
  }

  /** Leaves out what is left of a begun byte. */
  align(): void {
    this.#count = 0;
    this.#bits = 0;
  }
}
