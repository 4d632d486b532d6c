/**
 * Suffix sorting by induction, in linear time (Nong, Zhang, Chan 2009), since what backups hold is so repetitive that a
 * comparing sort would take its worst case.
 */

/** Starts of the suffixes in their order; a suffix comes before every longer one that begins with it. */
export function sortSuffixes(text: Uint8Array | Int32Array, highest: number): Int32Array {
  const { length } = text;
  if (length < 2) return new Int32Array(length);
  const rising = risingSuffixes(text);
  const buckets = bucketsOf(text, rising, highest);
  const suffixes = new Int32Array(length);
  const valleys = valleysOf(rising);
  induce(text, rising, buckets, valleys, suffixes);
  if (valleys.length > 0)
    induce(text, rising, buckets, sortValleys(text, rising, valleys, suffixes), suffixes);
  return suffixes;
}

/** 1 where the suffix is less than the next one. */
function risingSuffixes(text: Uint8Array | Int32Array): Uint8Array {
  const rising = new Uint8Array(text.length);
  for (let at = text.length - 2; at >= 0; at -= 1) {
    const here = text[at] as number;
    const next = text[at + 1] as number;
    rising[at] = here === next ? (rising[at + 1] as number) : Number(here < next);
  }
  return rising;
}

const isValley = (rising: Uint8Array, at: number): boolean =>
  at > 0 && rising[at] === 1 && rising[at - 1] === 0;

/** Where a rising suffix follows a falling one. */
function valleysOf(rising: Uint8Array): Int32Array {
  let count = 0;
  for (let at = 1; at < rising.length; at += 1) if (isValley(rising, at)) count += 1;
  const valleys = new Int32Array(count);
  count = 0;
  for (let at = 1; at < rising.length; at += 1) if (isValley(rising, at)) valleys[count++] = at;
  return valleys;
}

interface Buckets {
  /** Where the suffixes that begin with a symbol start. */
  readonly starts: Int32Array;
  /** Where the rising ones among them start. */
  readonly risingStarts: Int32Array;
}

function bucketsOf(text: Uint8Array | Int32Array, rising: Uint8Array, highest: number): Buckets {
  const falling = new Int32Array(highest + 1);
  const all = new Int32Array(highest + 1);
  for (let at = 0; at < text.length; at += 1) {
    const symbol = text[at] as number;
    all[symbol] = (all[symbol] as number) + 1;
    if (rising[at] === 0) falling[symbol] = (falling[symbol] as number) + 1;
  }
  const starts = new Int32Array(highest + 2);
  const risingStarts = new Int32Array(highest + 1);
  for (let symbol = 0; symbol <= highest; symbol += 1) {
    risingStarts[symbol] = (starts[symbol] as number) + (falling[symbol] as number);
    starts[symbol + 1] = (starts[symbol] as number) + (all[symbol] as number);
  }
  return { starts, risingStarts };
}

/** The next place of the bucket, from its start. */
function takeUp(free: Int32Array, bucket: number): number {
  const place = free[bucket] as number;
  free[bucket] = place + 1;
  return place;
}

/** The next place of the bucket, from its end. */
function takeDown(free: Int32Array, bucket: number): number {
  const place = (free[bucket] as number) - 1;
  free[bucket] = place;
  return place;
}

/** Fills `suffixes` with the order that follows from the order of the valleys. */
function induce(
  text: Uint8Array | Int32Array,
  rising: Uint8Array,
  { starts, risingStarts }: Buckets,
  valleys: Int32Array,
  suffixes: Int32Array,
): void {
  const { length } = text;
  suffixes.fill(-1);
  const free = risingStarts.slice();
  for (const at of valleys) suffixes[takeUp(free, text[at] as number)] = at;
  free.set(starts.subarray(0, free.length));
  suffixes[takeUp(free, text[length - 1] as number)] = length - 1;
  for (let rank = 0; rank < length; rank += 1) {
    const before = (suffixes[rank] as number) - 1;
    if (before >= 0 && rising[before] === 0) suffixes[takeUp(free, text[before] as number)] = before;
  }
  free.set(starts.subarray(1));
  for (let rank = length - 1; rank >= 0; rank -= 1) {
    const before = (suffixes[rank] as number) - 1;
    if (before >= 0 && rising[before] === 1) suffixes[takeDown(free, text[before] as number)] = before;
  }
}

/** The valleys in the order of their suffixes, given `suffixes` as induced from valleys in any order. */
function sortValleys(
  text: Uint8Array | Int32Array,
  rising: Uint8Array,
  valleys: Int32Array,
  suffixes: Int32Array,
): Int32Array {
  const numbers = new Int32Array(text.length).fill(-1);
  let number = 0;
  for (const at of valleys) numbers[at] = number++;
  const endOf = (at: number): number => valleys[(numbers[at] as number) + 1] ?? text.length;
  const names = new Int32Array(valleys.length);
  let name = -1;
  let previous = -1;
  for (const at of suffixes) {
    if (!isValley(rising, at)) continue;
    if (previous < 0 || !sameStretch(text, previous, endOf(previous), at, endOf(at))) name += 1;
    names[numbers[at] as number] = name;
    previous = at;
  }
  const order = sortSuffixes(names, name);
  return order.map((one) => valleys[one] as number);
}

/** Whether the texts from one valley to the next, that one included, are the same. */
function sameStretch(
  text: Uint8Array | Int32Array,
  a: number,
  endA: number,
  b: number,
  endB: number,
): boolean {
  if (endA - a !== endB - b || endA === text.length || endB === text.length) return false;
  for (let step = 0; step <= endA - a; step += 1) if (text[a + step] !== text[b + step]) return false;
  return true;
}
