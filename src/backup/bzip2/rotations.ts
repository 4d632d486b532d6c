import { sortSuffixes } from "./suffixes.ts";

export interface Transformed {
  /** The last byte of each rotation of the block, in the order of the rotations. */
  readonly last: Uint8Array;
  /** Which of the sorted rotations is the block itself. */
  readonly origin: number;
}

/**
 * The Burrows–Wheeler transform of a block that is not empty. Of a block rotated to its least rotation, the suffixes have the
 * order of the rotations (it is a Lyndon word, or a power of one), so that no doubled block has to be sorted.
 */
export function transform(block: Uint8Array): Transformed {
  const { length } = block;
  const { start, period } = leastRotation(block);
  const word = new Uint8Array(period);
  for (let at = 0; at < period; at += 1) word[at] = block[(start + at) % length] as number;
  const suffixes = sortSuffixes(word, 255);
  const repeats = length / period;
  const last = new Uint8Array(length);
  let origin = 0;
  let row = 0;
  for (const at of suffixes) {
    if ((start + at) % period === 0) origin = row;
    const byte = word[at === 0 ? period - 1 : at - 1] as number;
    for (let count = 0; count < repeats; count += 1) last[row++] = byte;
  }
  return { last, origin };
}

/** Where the least rotation starts, and after how many bytes the block repeats itself all around. */
function leastRotation(block: Uint8Array): { readonly start: number; readonly period: number } {
  const { length } = block;
  const byteAt = (at: number): number => block[at >= length ? at - length : at] as number;
  let first = 0;
  let second = 1;
  let same = 0;
  while (first < length && second < length && same < length) {
    const a = byteAt(first + same);
    const b = byteAt(second + same);
    if (a === b) {
      same += 1;
      continue;
    }
    if (a > b) first += same + 1;
    else second += same + 1;
    if (first === second) second += 1;
    same = 0;
  }
  const period = same === length ? Math.abs(first - second) : length;
  return { start: Math.min(first, second), period };
}
