const quote = 0x22;
const backslash = 0x5c;
const openers = new Set([0x5b, 0x7b]);
const closers = new Set([0x5d, 0x7d]);
const comma = 0x2c;
const space = 0x20;

/**
 * The items of a JSON array, one after another, of a text that comes in parts and is never held whole.
 * @throws SyntaxError when it is no array, or not whole
 */
export async function* arrayItems(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const splitter = new ArraySplitter();
  for await (const part of source) yield* splitter.push(part);
  splitter.end();
}

class ArraySplitter {
  readonly #parts: Buffer[] = [];
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  #hasItems = false;

  *push(part: Uint8Array): Generator<unknown> {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    let from = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (this.#inString) this.#stringByte(byte);
      else if (byte === quote) this.#inString = true;
      else if (openers.has(byte)) {
        if (this.#depth === 0) from = this.#begin(byte, at);
        this.#depth += 1;
      } else if (closers.has(byte)) {
        if (this.#depth === 0) throw notAnArray();
        this.#depth -= 1;
        if (this.#depth === 0) {
          yield* this.#item(bytes.subarray(from, at), true);
          this.#ended = true;
          from = at + 1;
        }
      } else if (byte === comma && this.#depth === 1) {
        yield* this.#item(bytes.subarray(from, at), false);
        from = at + 1;
      } else if (this.#depth === 0 && byte > space) throw notAnArray();
    }
    if (this.#depth > 0) this.#parts.push(Buffer.from(bytes.subarray(from)));
  }

  end(): void {
    if (!this.#ended) throw new SyntaxError("The JSON array ends too early.");
  }

  #begin(byte: number, at: number): number {
    if (byte !== 0x5b || this.#ended) throw notAnArray();
    return at + 1;
  }

  #stringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === backslash) this.#escaped = true;
    else if (byte === quote) this.#inString = false;
  }

  *#item(rest: Buffer, isLast: boolean): Generator<unknown> {
    const text = Buffer.concat([...this.#parts, rest]).toString("utf8");
    this.#parts.length = 0;
    // An empty array has no first item.
    if (isLast && !this.#hasItems && text.trim() === "") return;
    this.#hasItems = true;
    yield JSON.parse(text) as unknown;
  }
}

const notAnArray = (): SyntaxError => new SyntaxError("A JSON array was expected.");
