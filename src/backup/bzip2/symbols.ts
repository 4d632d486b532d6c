import { runA, runB } from "./format.ts";

/** A block after the move-to-front step: symbols of 0 .. used.length + 1, of which the last ends the block. */
export interface Symbols {
  /** The bytes that occur, ascending. */
  readonly used: readonly number[];
  readonly symbols: Uint16Array;
}

/** Each byte as its place among those seen last; runs of the first place are written as their length. */
export function toSymbols(bytes: Uint8Array): Symbols {
  const seen = new Uint8Array(256);
  for (const byte of bytes) seen[byte] = 1;
  const used = [...seen.keys()].filter((byte) => seen[byte] === 1);
  const front = Uint8Array.from(used);
  const symbols = new Uint16Array(bytes.length + 1);
  let length = 0;
  let run = 0;
  const endRun = (): void => {
    for (; run > 0; run = (run - 1) >> 1) symbols[length++] = run % 2 === 1 ? runA : runB;
  };
  for (const byte of bytes) {
    if (front[0] === byte) {
      run += 1;
      continue;
    }
    endRun();
    const place = front.indexOf(byte);
    front.copyWithin(1, 0, place);
    front[0] = byte;
    symbols[length++] = place + 1;
  }
  endRun();
  symbols[length++] = used.length + 1;
  return { used, symbols: symbols.subarray(0, length) };
}
