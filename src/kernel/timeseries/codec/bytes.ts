import { CorruptBlob } from "./corrupt.ts";

const initialCapacity = 1 << 16;
/** A buffer grown beyond this for one large blob is let go again. */
const keptCapacity = 1 << 21;

/** A growing byte buffer, meant to be kept and reset: encoding allocates nothing but its result. */
export class ByteWriter {
  #bytes = new Uint8Array(initialCapacity);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  reset(): void {
    if (this.#bytes.length > keptCapacity) this.#bytes = new Uint8Array(initialCapacity);
    this.#length = 0;
  }

  /** Forgets everything written after `length`. */
  rewind(length: number): void {
    this.#length = length;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** A non-negative safe integer in base 128, least significant first. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Any safe integer: the lowest bit of the first byte is the sign, which stays exact where zigzag would not. */
  signed(value: number): void {
    const magnitude = Math.abs(value);
    const low = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
    if (magnitude < 64) {
      this.byte(low);
      return;
    }
    this.byte(low + 128);
    this.varint(Math.floor(magnitude / 64));
  }

  append(source: Uint8Array): void {
    const at = this.#reserve(source.length);
    this.#bytes.set(source, at);
  }

  /** The bytes written so far, as a view that the next write may invalidate. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

/** Reads within its bytes or throws CorruptBlob. */
export class ByteReader {
  readonly bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.#at = at;
  }

  byte(): number {
    const value = this.bytes[this.#at];
    if (value === undefined) throw new CorruptBlob("The blob ends too early.");
    this.#at++;
    return value;
  }

  /** The next byte, which stays unread; undefined at the end. */
  peek(): number | undefined {
    return this.bytes[this.#at];
  }

  /** @throws CorruptBlob beyond the safe integers */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw new CorruptBlob("A number of the blob is out of range.");
  }

  signed(): number {
    const first = this.byte();
    const low = (first & 127) >>> 1;
    const magnitude = first < 128 ? low : low + this.varint() * 64;
    if (magnitude > Number.MAX_SAFE_INTEGER) throw new CorruptBlob("A number of the blob is out of range.");
    return (first & 1) === 1 ? -magnitude : magnitude;
  }

  /** A varint that may not exceed `limit`, so that nothing larger than the header allows is ever allocated. */
  count(limit: number): number {
    const value = this.varint();
    if (value > limit)
      throw new CorruptBlob(`A count of the blob is ${value}, but at most ${limit} is possible.`);
    return value;
  }

  /** Moves over `size` bytes and returns where they start. */
  skip(size: number): number {
    const at = this.#at;
    if (size > this.bytes.length - at) throw new CorruptBlob("The blob ends too early.");
    this.#at = at + size;
    return at;
  }

  take(size: number): Uint8Array {
    const at = this.skip(size);
    return this.bytes.subarray(at, at + size);
  }

  expectEnd(): void {
    const extra = this.bytes.length - this.#at;
    if (extra > 0) throw new CorruptBlob(`The blob has ${extra} bytes too many.`);
  }
}
