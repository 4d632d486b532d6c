import { groupSize } from "./format.ts";
import { codeLengths } from "./huffman.ts";

export interface Tables {
  /** Code lengths of each table. */
  readonly lengths: readonly Uint8Array[];
  /** Which table each group of symbols uses. */
  readonly selectors: Uint8Array;
}

const rounds = 4;

/** As many tables as pay off for so many symbols. */
const tablesFor = (symbols: number): number => {
  const limits = [200, 600, 1200, 2400];
  const index = limits.findIndex((limit) => symbols < limit);
  return index < 0 ? 6 : index + 2;
};

/** Starts with tables that each favour a share of the symbols, then fits tables and groups to each other. */
export function fitTables(symbols: Uint16Array, alphabet: number): Tables {
  const count = tablesFor(symbols.length);
  let lengths = startingLengths(symbols, alphabet, count);
  const selectors = new Uint8Array(Math.ceil(symbols.length / groupSize));
  for (let round = 0; round < rounds; round += 1) {
    const counts = Array.from({ length: count }, () => new Uint32Array(alphabet));
    for (let group = 0; group < selectors.length; group += 1) {
      const part = symbols.subarray(group * groupSize, (group + 1) * groupSize);
      const table = cheapest(part, lengths);
      selectors[group] = table;
      const own = counts[table] as Uint32Array;
      for (const symbol of part) own[symbol] = (own[symbol] as number) + 1;
    }
    lengths = counts.map(codeLengths);
  }
  return { lengths, selectors };
}

function startingLengths(symbols: Uint16Array, alphabet: number, count: number): readonly Uint8Array[] {
  const totals = new Uint32Array(alphabet);
  for (const symbol of symbols) totals[symbol] = (totals[symbol] as number) + 1;
  let next = 0;
  let left = symbols.length;
  return Array.from({ length: count }, (_, table) => {
    const lengths = new Uint8Array(alphabet).fill(15);
    const share = left / (count - table);
    for (let taken = 0; next < alphabet && (taken < share || table === count - 1); next += 1) {
      const own = totals[next] as number;
      lengths[next] = 0;
      taken += own;
      left -= own;
    }
    return lengths;
  });
}

function cheapest(part: Uint16Array, lengths: readonly Uint8Array[]): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [table, own] of lengths.entries()) {
    let cost = 0;
    for (const symbol of part) cost += own[symbol] as number;
    if (cost < least) [best, least] = [table, cost];
  }
  return best;
}
