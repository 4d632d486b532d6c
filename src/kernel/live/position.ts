/**
 * A place in the log of all buckets: every row up to its bucket's number lies before it. `within` is a place inside the
 * row of that bucket which has this number, behind the point `index`. Any node, and the same one after a restart, knows
 * what comes after it.
 */
export interface Position {
  readonly seqs: readonly number[];
  readonly within?: { readonly bucket: number; readonly index: number };
}

const radix = 36;

export const seqsText = (seqs: readonly number[]): string => seqs.map((seq) => seq.toString(radix)).join(".");

/** `seqs` as text, the bucket of the row, and the point in it. */
export const idText = (seqs: string, bucket: number, index: number): string =>
  `${seqs}-${bucket.toString(radix)}-${index.toString(radix)}`;

const shape = /^([0-9a-z]{1,11}(?:\.[0-9a-z]{1,11}){0,999})(?:-([0-9a-z]{1,11})-([0-9a-z]{1,11}))?$/;

/** Undefined for a text that this database cannot have given out. */
export function parsePosition(text: string, buckets: number): Position | undefined {
  const [, list = "", bucket, index] = shape.exec(text) ?? [];
  const seqs = list.split(".").map(parseNumber);
  if (list === "" || seqs.length !== buckets || seqs.some((seq) => !Number.isSafeInteger(seq)))
    return undefined;
  if (bucket === undefined || index === undefined) return { seqs };
  const within = { bucket: parseNumber(bucket), index: parseNumber(index) };
  return within.bucket < buckets && Number.isSafeInteger(within.index) ? { seqs, within } : undefined;
}

const parseNumber = (text: string): number => Number.parseInt(text, radix);

/** The first point of the row that lies after the position; Infinity where none does. */
export function firstAfter({ seqs, within }: Position, bucket: number, seq: number): number {
  const seen = seqs[bucket] ?? 0;
  if (seq > seen) return 0;
  return seq === seen && within?.bucket === bucket ? within.index + 1 : Number.POSITIVE_INFINITY;
}

/** Whether nothing up to `other` lies behind `position`. */
export function isUpTo(other: Position, position: Position): boolean {
  return other.seqs.every((seq, bucket) => {
    const own = position.seqs[bucket] ?? 0;
    if (seq !== own || position.within?.bucket !== bucket) return seq <= own;
    return other.within?.bucket === bucket && other.within.index <= position.within.index;
  });
}

export const positionText = ({ seqs, within }: Position): string =>
  within ? idText(seqsText(seqs), within.bucket, within.index) : seqsText(seqs);
