/** Longest code that is written; readers take 20. */
const longestWritten = 17;

/** Lengths of a prefix code for symbols that occur so often; every symbol gets a code. */
export function codeLengths(counts: ArrayLike<number>): Uint8Array {
  let weights = Array.from(counts, (count) => Math.max(1, count));
  for (;;) {
    const lengths = optimalLengths(weights);
    if (lengths.every((length) => length <= longestWritten)) return lengths;
    // Flatter weights make shorter codes; with all equal they are far below the limit.
    weights = weights.map((weight) => 1 + (weight >> 1));
  }
}

/** Huffman's tree by two queues, each of which only ever grows at its end. */
function optimalLengths(weights: readonly number[]): Uint8Array {
  const { length } = weights;
  const leaves = [...weights.keys()].sort((a, b) => (weights[a] as number) - (weights[b] as number));
  const nodes = [...weights];
  const parents: number[] = [];
  let leaf = 0;
  let inner = length;
  const takeLeast = (): number => {
    const byLeaf = leaf < length ? (nodes[leaves[leaf] as number] as number) : Number.POSITIVE_INFINITY;
    const byInner = nodes[inner] ?? Number.POSITIVE_INFINITY;
    return byLeaf <= byInner ? (leaves[leaf++] as number) : inner++;
  };
  for (let joined = 1; joined < length; joined += 1) {
    const [a, b] = [takeLeast(), takeLeast()];
    parents[a] = nodes.length;
    parents[b] = nodes.length;
    nodes.push((nodes[a] as number) + (nodes[b] as number));
  }
  const depths = new Uint8Array(nodes.length);
  for (let node = nodes.length - 2; node >= 0; node -= 1)
    depths[node] = (depths[parents[node] as number] as number) + 1;
  return depths.subarray(0, length);
}

/** The codes that belong to the lengths: shorter ones first, then by symbol. */
export function codesOf(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= longestWritten; length += 1) {
    for (const [symbol, own] of lengths.entries()) if (own === length) codes[symbol] = code++;
    code <<= 1;
  }
  return codes;
}
