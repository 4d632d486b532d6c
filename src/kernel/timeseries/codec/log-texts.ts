import { CorruptBlob } from "./corrupt.ts";
import { utf8Of } from "./utf8.ts";

/** The texts of a section of points in a log row: indexes u32, lengths u32, UTF-8, each padded to 8 bytes. */

export const aligned = (size: number): number => Math.ceil(size / 8) * 8;

export interface EncodedTexts {
  readonly indexes: readonly number[];
  readonly bytes: readonly Buffer[];
  readonly size: number;
}

export const noTexts: EncodedTexts = { indexes: [], bytes: [], size: 0 };

export const sizeOfTexts = (count: number, utf8Size: number): number =>
  2 * aligned(count * 4) + aligned(utf8Size);

/** Throws RangeError for an index outside the batch. */
export const encodeTexts = (texts: ReadonlyMap<number, string> | undefined, count: number): EncodedTexts => {
  if (texts === undefined || texts.size === 0) return noTexts;
  const indexes: number[] = [];
  const bytes: Buffer[] = [];
  let size = 0;
  for (const [index, text] of texts) {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`There is a text at index ${index}, outside the ${count} points.`);
    }
    const encoded = utf8Of(text);
    indexes.push(index);
    bytes.push(encoded);
    size += encoded.length;
  }
  return { indexes, bytes, size };
};

/** Writes at `at`, a multiple of 8, and returns where the texts end. */
export const writeTexts = (buffer: ArrayBuffer, at: number, texts: EncodedTexts): number => {
  const count = texts.indexes.length;
  if (count === 0) return at;
  new Uint32Array(buffer, at, count).set(texts.indexes);
  const lengths = new Uint32Array(buffer, at + aligned(count * 4), count);
  const start = at + 2 * aligned(count * 4);
  const target = new Uint8Array(buffer, start, texts.size);
  let offset = 0;
  texts.bytes.forEach((bytes, i) => {
    lengths[i] = bytes.length;
    target.set(bytes, offset);
    offset += bytes.length;
  });
  return start + aligned(texts.size);
};

/** Reads what stands at the start of `area`, of which the caller has checked the size. Throws CorruptBlob. */
export const readTexts = (
  area: Uint8Array,
  textCount: number,
  utf8Size: number,
  pointCount: number,
): Map<number, string> => {
  const { buffer, byteOffset } = area;
  const column = aligned(textCount * 4);
  const indexes = new Uint32Array(buffer, byteOffset, textCount);
  const lengths = new Uint32Array(buffer, byteOffset + column, textCount);
  const utf8 = Buffer.from(buffer as ArrayBuffer, byteOffset + 2 * column, utf8Size);
  const texts = new Map<number, string>();
  let offset = 0;
  for (let i = 0; i < textCount; i++) {
    const index = indexes[i] as number;
    const end = offset + (lengths[i] as number);
    if (index >= pointCount || end > utf8Size) {
      throw new CorruptBlob(`Its text at index ${index} is out of bounds.`);
    }
    texts.set(index, utf8.toString("utf8", offset, end));
    offset = end;
  }
  if (offset !== utf8Size) throw new CorruptBlob("Its texts have another size than announced.");
  return texts;
};
