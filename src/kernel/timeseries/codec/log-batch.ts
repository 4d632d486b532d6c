import { crc32 } from "node:zlib";
import { messageOf } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import type { PointBatch, StreamId, TimeRange } from "../types.ts";
import { CorruptBlob, LogCorrupt } from "./corrupt.ts";
import {
  aligned,
  type EncodedTexts,
  encodeTexts,
  noTexts,
  readTexts,
  sizeOfTexts,
  writeTexts,
} from "./log-texts.ts";

/**
 * The blob of a log row: what one commit did, as sections in the order it was done. Everything stands at multiples of
 * 8 bytes, so that the columns of a decoded batch are views of the blob, and replay runs at the speed of memory.
 * Integers and floats are in the byte order of the machine; every platform the product runs on is little-endian.
 *
 * Header, 16 bytes: CRC-32 of all that follows (u32), version (u32), number of sections (u32), 0 (u32).
 * Section: kind (u32), count or stream (u32), number of texts (u32), bytes of texts (u32), then
 *   points: times f64, values f64, streams u32, text indexes u32, text lengths u32, UTF-8, each padded to 8 bytes;
 *   deletion of a range: from f64, to f64; drop of a stream: nothing;
 *   chunks of an edit, where the number of texts is the side: edit f64, time of the first and of the last point f64.
 */
const version = 1;
const headerSize = 16;
const kinds = { points: 1, deleteRange: 2, dropStream: 3, placeChunks: 4 } as const;

export interface PointsOperation extends PointBatch {
  readonly kind: "points";
}

/** Deletes the stream's points of the half-open range. */
export interface DeleteRangeOperation {
  readonly kind: "deleteRange";
  readonly stream: StreamId;
  readonly range: TimeRange;
}

/** Removes all points of the stream for ever. */
export interface DropStreamOperation {
  readonly kind: "dropStream";
  readonly stream: StreamId;
}

/** The points of one side of an edit, which are kept in chunks of its own; the row empties their range first. */
export interface PlaceChunksOperation {
  readonly kind: "placeChunks";
  readonly stream: StreamId;
  readonly edit: number;
  /** 0: before the edit, 1: after it. */
  readonly side: number;
  /** The times of the first and of the last point. */
  readonly first: Micros;
  readonly last: Micros;
}

export type LogOperation =
  | PointsOperation
  | DeleteRangeOperation
  | DropStreamOperation
  | PlaceChunksOperation;

/** Points whose columns are views of the decoded blob: they keep it in memory, and hold exactly `count` entries. */
export interface DecodedPoints extends PointsOperation {
  readonly streams: Uint32Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export type DecodedOperation =
  | DecodedPoints
  | DeleteRangeOperation
  | DropStreamOperation
  | PlaceChunksOperation;

const pointsSize = (count: number, texts: EncodedTexts): number =>
  count * 16 + aligned(count * 4) + sizeOfTexts(texts.indexes.length, texts.size);

const bodySize = (operation: LogOperation, texts: EncodedTexts): number => {
  if (operation.kind === "points") return pointsSize(operation.count, texts);
  if (operation.kind === "placeChunks") return 24;
  return operation.kind === "deleteRange" ? 16 : 0;
};

const maxBlobSize = 2 ** 32 - 1;

/**
 * Encodes what one commit does, in order. The result has an ArrayBuffer of its own of exactly its size, which may be
 * transferred. A text with a lone surrogate comes back with its JSON escape instead.
 * @throws RangeError for arrays shorter than `count`, a text outside the batch, or 4 GiB and more
 */
export const encodeLogBatch = (operations: readonly LogOperation[]): Uint8Array<ArrayBuffer> => {
  const texts = operations.map((operation) =>
    operation.kind === "points" ? encodeTexts(operation.texts, operation.count) : noTexts,
  );
  let size = headerSize;
  operations.forEach((operation, i) => {
    size += 16 + bodySize(operation, texts[i] ?? noTexts);
  });
  if (size > maxBlobSize) throw new RangeError(`A log batch of ${size} bytes is too large.`);
  const buffer = new ArrayBuffer(size);
  let at = headerSize;
  operations.forEach((operation, i) => {
    at = writeSection(buffer, at, operation, texts[i] ?? noTexts);
  });
  const blob = new Uint8Array(buffer);
  const header = new Uint32Array(buffer, 0, 4);
  header[1] = version;
  header[2] = operations.length;
  header[0] = crc32(blob.subarray(4));
  return blob;
};

const writeSection = (
  buffer: ArrayBuffer,
  at: number,
  operation: LogOperation,
  texts: EncodedTexts,
): number => {
  const head = new Uint32Array(buffer, at, 4);
  const body = at + 16;
  head[0] = kinds[operation.kind];
  head[1] = operation.kind === "points" ? operation.count : operation.stream;
  if (operation.kind === "dropStream") return body;
  if (operation.kind === "deleteRange") {
    new Float64Array(buffer, body, 2).set([operation.range.from, operation.range.to]);
    return body + 16;
  }
  if (operation.kind === "placeChunks") {
    head[2] = operation.side;
    new Float64Array(buffer, body, 3).set([operation.edit, operation.first, operation.last]);
    return body + 24;
  }
  head[2] = texts.indexes.length;
  head[3] = texts.size;
  const { count } = operation;
  copy(new Float64Array(buffer, body, count), operation.times, "times");
  copy(new Float64Array(buffer, body + count * 8, count), operation.values, "values");
  copy(new Uint32Array(buffer, body + count * 16, count), operation.streams, "streams");
  return writeTexts(buffer, body + count * 16 + aligned(count * 4), texts);
};

/** Copies the first entries of `source`; a typed array goes as one block. */
const copy = (target: Float64Array | Uint32Array, source: ArrayLike<number>, column: string): void => {
  const count = target.length;
  if (source.length < count)
    throw new RangeError(`The batch has ${source.length} ${column} for ${count} points.`);
  if (source instanceof Float64Array || source instanceof Uint32Array || source instanceof Int32Array) {
    target.set(source.length === count ? source : source.subarray(0, count));
  } else if (target instanceof Float64Array) {
    for (let i = 0; i < count; i++) target[i] = source[i] as number;
  } else {
    for (let i = 0; i < count; i++) target[i] = source[i] as number;
  }
};

/**
 * Decodes a log row. Columns are views of `blob` where it stands at a multiple of 8 bytes in its buffer, else of a copy.
 * @throws LogCorrupt when a byte is damaged, missing or too many, or the version is not known
 */
export const decodeLogBatch = (blob: Uint8Array): DecodedOperation[] => {
  try {
    return decode(blob.byteOffset % 8 === 0 ? blob : new Uint8Array(blob));
  } catch (error) {
    throw new LogCorrupt(`The log row cannot be decoded: ${messageOf(error)}`, { cause: error });
  }
};

const decode = (blob: Uint8Array): DecodedOperation[] => {
  if (blob.length < headerSize || blob.length % 8 !== 0)
    throw new CorruptBlob(`It has ${blob.length} bytes.`);
  const { buffer, byteOffset } = blob;
  const [sum, known, sections = 0, reserved] = new Uint32Array(buffer, byteOffset, 4);
  if (crc32(blob.subarray(4)) !== sum) throw new CorruptBlob("Its checksum is wrong.");
  if (known !== version) throw new CorruptBlob(`Its version is ${known}; this program knows ${version}.`);
  if (reserved !== 0) throw new CorruptBlob("Its header is not one.");
  const operations: DecodedOperation[] = [];
  let at = headerSize;
  for (let i = 0; i < sections; i++) at = readSection(blob, at, operations);
  if (at !== blob.length) throw new CorruptBlob(`It has ${blob.length - at} bytes too many.`);
  return operations;
};

const readSection = (blob: Uint8Array, at: number, operations: DecodedOperation[]): number => {
  need(blob, at, 16);
  const [kind, count = 0, textCount = 0, textSize = 0] = new Uint32Array(
    blob.buffer,
    blob.byteOffset + at,
    4,
  );
  const body = at + 16;
  if (kind === kinds.dropStream) {
    operations.push({ kind: "dropStream", stream: count });
    return body;
  }
  if (kind === kinds.deleteRange) {
    need(blob, body, 16);
    const [from = 0, to = 0] = new Float64Array(blob.buffer, blob.byteOffset + body, 2);
    operations.push({ kind: "deleteRange", stream: count, range: { from, to } });
    return body + 16;
  }
  if (kind === kinds.placeChunks) {
    need(blob, body, 24);
    const [edit = 0, first = 0, last = 0] = new Float64Array(blob.buffer, blob.byteOffset + body, 3);
    operations.push({ kind: "placeChunks", stream: count, side: textCount, edit, first, last });
    return body + 24;
  }
  if (kind !== kinds.points) throw new CorruptBlob(`It names an unknown operation ${kind}.`);
  if (textCount > count || (textCount === 0 && textSize > 0))
    throw new CorruptBlob(`It has ${textCount} texts of ${textSize} bytes for ${count} points.`);
  const size = count * 16 + aligned(count * 4) + sizeOfTexts(textCount, textSize);
  need(blob, body, size);
  operations.push(readPoints(blob, body, count, textCount, textSize));
  return body + size;
};

const need = (blob: Uint8Array, at: number, size: number): void => {
  if (size > blob.length - at) throw new CorruptBlob("It ends too early.");
};

const readPoints = (
  blob: Uint8Array,
  body: number,
  count: number,
  textCount: number,
  textSize: number,
): DecodedPoints => {
  const { buffer } = blob;
  const at = blob.byteOffset + body;
  const times = new Float64Array(buffer, at, count);
  const values = new Float64Array(buffer, at + count * 8, count);
  const streams = new Uint32Array(buffer, at + count * 16, count);
  if (textCount === 0) return { kind: "points", count, streams, times, values };
  const start = at + count * 16 + aligned(count * 4);
  const texts = readTexts(new Uint8Array(buffer, start), textCount, textSize, count);
  return { kind: "points", count, streams, times, values, texts };
};
