import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { proofRuns } from "../../../../test/proof/runs.ts";
import type { PointPage } from "../types.ts";
import { decodeChunk, encodeChunk, maxChunkPoints } from "./chunk.ts";
import { ChunkCorrupt } from "./corrupt.ts";
import { anyPage, pageOf } from "./pages.fixture.ts";

const bytesOf = (column: Float64Array): Buffer =>
  Buffer.from(column.buffer, column.byteOffset, column.byteLength);

const entriesOf = (page: PointPage): [number, string][] => [...(page.texts ?? [])].sort(([a], [b]) => a - b);

const expectSame = (decoded: PointPage, page: PointPage): void => {
  expect(bytesOf(decoded.times).equals(bytesOf(page.times))).toBe(true);
  expect(bytesOf(decoded.values).equals(bytesOf(page.values))).toBe(true);
  expect(entriesOf(decoded)).toEqual(entriesOf(page));
};

const roundTrip = (page: PointPage): Uint8Array => {
  const blob = encodeChunk(page);
  expectSame(decodeChunk(blob), page);
  return blob;
};

const countUp = (count: number, step: number, start = 1_767_225_600_000_000): number[] =>
  Array.from({ length: count }, (_, i) => start + i * step);

/** A walk in cents whose steps depend on nothing but the index. */
const walk = (count: number): number[] => {
  let cents = 2150;
  return countUp(count, 1, 0).map((i) => {
    cents += (Math.imul(i + 1, 0x9e3779b1) >>> 8) % 101;
    cents -= 50;
    return cents / 100;
  });
};

/** Puts a right checksum on a damaged blob, to reach the decoder behind it. */
const reseal = (blob: Uint8Array): Uint8Array => {
  new DataView(blob.buffer, blob.byteOffset).setUint32(0, crc32(blob.subarray(4)), true);
  return blob;
};

/** Damage behind a right checksum may decode to anything of the header's size, or must be named. */
const expectBounded = (blob: Uint8Array): void => {
  try {
    const page = decodeChunk(blob);
    expect(page.times.length).toBe(1 + (blob[6] ?? 0) + (blob[7] ?? 0) * 256);
    expect(page.values.length).toBe(page.times.length);
  } catch (error) {
    expect(error).toBeInstanceOf(ChunkCorrupt);
  }
};

describe("round trip", () => {
  it("gives back the same bits for any page", () => {
    fc.assert(
      fc.property(anyPage, (page) => {
        roundTrip(page);
      }),
      { numRuns: proofRuns(3000, 1) },
    );
  });

  it("reads a blob that stands anywhere in its buffer", () => {
    const page = pageOf(countUp(100, 1_000_000), walk(100), new Map([[3, '"off"']]));
    const blob = encodeChunk(page);
    for (let offset = 0; offset < 9; offset++) {
      const shifted = new Uint8Array(blob.length + 20).subarray(offset, offset + blob.length);
      shifted.set(blob);
      expectSame(decodeChunk(shifted), page);
      expectSame(decodeChunk(Buffer.from(shifted)), page);
    }
  });

  it.each([1, 2, 31, 32, 33, 34, 64, 65, 1024, maxChunkPoints])("holds %i points", (count) => {
    roundTrip(pageOf(countUp(count, 10_000_000), walk(count)));
    const third = walk(count).map((value) => value / 3);
    roundTrip(pageOf(countUp(count, 137), third));
    roundTrip(
      pageOf(countUp(count, 1), third, new Map(third.map((value, i) => [i, JSON.stringify(`${value}`)]))),
    );
  });

  it("keeps -0 apart from 0", () => {
    const page = pageOf(countUp(64, 1000), [
      ...new Array<number>(40).fill(0),
      -0,
      ...new Array<number>(23).fill(0),
    ]);
    expect(Object.is(decodeChunk(roundTrip(page)).values[40], -0)).toBe(true);
  });

  it("holds every width of steps and residuals", () => {
    for (let width = 0; width <= 50; width++) {
      const top = 2 ** width - 1;
      const values = countUp(70, 1, 0).map((i) => (i % 3 === 0 ? top : Math.floor((top / 70) * i)));
      roundTrip(pageOf(countUp(70, 1000), values));
      roundTrip(
        pageOf(
          countUp(70, 1000),
          values.map((value) => -value),
        ),
      );
      let time = -(2 ** 52);
      const times = countUp(70, 1, 0).map((i) => {
        time += i % 2 === 0 ? 2 ** Math.min(width, 46) : 1;
        return time;
      });
      roundTrip(pageOf(times, values));
    }
  });

  it("holds the extremes of time", () => {
    const { MIN_SAFE_INTEGER: min, MAX_SAFE_INTEGER: max } = Number;
    for (const times of [
      [min],
      [max],
      [min, max],
      [min, 0, max],
      [max - 1, max],
      [min, min + 1, max],
      [-10, 0, 10],
    ]) {
      roundTrip(pageOf(times, walk(times.length)));
    }
    roundTrip(pageOf(countUp(100, 9_000_000_000_001, min), walk(100)));
    roundTrip(pageOf([max - 3e13 - 7, max - 2e13 - 7, max - 1e13 - 7, max - 7], walk(4)));
    roundTrip(pageOf([-7, 1e13 - 7, 3e13 - 7, max - (max % 1e13) - 7], walk(4)));
  });

  it("writes a lone surrogate as its escape", () => {
    const page = pageOf([1], [0], new Map([[0, '"a\ud800b"']]));
    expect(decodeChunk(encodeChunk(page)).texts?.get(0)).toBe('"a\\ud800b"');
  });

  it("does not ask for the texts in order", () => {
    const texts = new Map([
      [5, "true"],
      [1, "null"],
    ]);
    roundTrip(pageOf(countUp(6, 1), walk(6), texts));
  });
});

it("reads what earlier versions of the program wrote", () => {
  const stored =
    "af3899c80101030008010001020203110100000100040001000000000a00000522" +
    "6f66662200000000000080354000000000004035400000000000000080";
  const page = pageOf([10e6, 20e6, 30e6, 50e6], [21.5, 21.25, 0, -0], new Map([[2, '"off"']]));
  expectSame(decodeChunk(Buffer.from(stored, "hex")), page);
  expect(Buffer.from(encodeChunk(page)).toString("hex")).toBe(stored);
});

describe("size", () => {
  const bytesPerPoint = (page: PointPage): number => roundTrip(page).length / page.times.length;

  it("needs at most 1.05 bytes for a point of a two-decimal walk", () => {
    expect(bytesPerPoint(pageOf(countUp(1024, 10_000_000), walk(1024)))).toBeLessThan(1.05);
  });

  it("needs a fixed number of bytes for constant spacing and constant values", () => {
    const page = pageOf(countUp(maxChunkPoints, 10_000_000), new Array<number>(maxChunkPoints).fill(21.5));
    expect(encodeChunk(page).length).toBeLessThanOrEqual(24);
    expect(encodeChunk(pageOf(countUp(1024, 1000), countUp(1024, 5))).length).toBeLessThanOrEqual(36);
  });

  it("keeps a gap, an outlier and a stray fraction cheap", () => {
    const times = countUp(1024, 10_000_000).map((time, i) => (i < 500 ? time : time + 86_400_000_000 * 400));
    const values = walk(1024)
      .with(200, 1 / 3)
      .with(700, -0);
    expect(bytesPerPoint(pageOf(times, values))).toBeLessThan(1.3);
  });

  it("packs repeated texts into a bit each", () => {
    const texts = countUp(1024, 1, 0).map((i): [number, string] => [i, (i * i) % 7 < 3 ? '"on"' : '"off"']);
    expect(encodeChunk(pageOf(countUp(1024, 1000), countUp(1024, 1), new Map(texts))).length).toBeLessThan(
      240,
    );
  });

  it("compresses texts that differ", () => {
    const texts = countUp(500, 1, 0).map((i): [number, string] => [
      i,
      `{"state":"running","program":"night","n":${i}}`,
    ]);
    expect(encodeChunk(pageOf(countUp(500, 1000), countUp(500, 1), new Map(texts))).length).toBeLessThan(
      5000,
    );
  });
});

describe("refused pages", () => {
  it.each([
    ["no point", pageOf([], [])],
    ["too many points", pageOf(countUp(maxChunkPoints + 1, 1), countUp(maxChunkPoints + 1, 1))],
    ["other numbers of times and values", pageOf([1, 2], [1])],
    ["times that do not ascend", pageOf([1, 3, 3], [1, 2, 3])],
    ["a fraction of a time", pageOf([1, 2.5], [1, 2])],
    ["a time that is no number", pageOf([Number.NaN], [1])],
    ["a time beyond the safe integers", pageOf([1, 2 ** 53], [1, 2])],
    ["a text outside the page", pageOf([1, 2], [1, 2], new Map([[2, "true"]]))],
  ])("refuses %s", (_, page) => {
    expect(() => encodeChunk(page)).toThrow(RangeError);
  });
});

describe("damage", () => {
  it("is named for each flipped byte and each length", () => {
    const page = pageOf(countUp(80, 1000), walk(80), new Map([[7, '{"a":1}']]));
    const blob = encodeChunk(page);
    for (let i = 0; i < blob.length; i++) {
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = blob.slice();
        damaged[i] = (damaged[i] ?? 0) ^ flip;
        expect(() => decodeChunk(damaged)).toThrow(ChunkCorrupt);
      }
      expect(() => decodeChunk(blob.subarray(0, i))).toThrow(ChunkCorrupt);
    }
    expect(() => decodeChunk(Buffer.concat([blob, Buffer.alloc(1)]))).toThrow(ChunkCorrupt);
    expect(() => decodeChunk(reseal(Buffer.concat([blob, Buffer.alloc(1)])))).toThrow(/1 bytes too many/);
  });

  it("is named for an unknown version", () => {
    const blob = encodeChunk(pageOf([1], [1]));
    blob[4] = 2;
    expect(() => decodeChunk(reseal(blob))).toThrow(/version is 2/);
  });

  it("is named for random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (blob) => {
        expect(() => decodeChunk(blob)).toThrow(ChunkCorrupt);
      }),
    );
  });

  it("stays within the header's count where the checksum is right", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyPage, damage, fc.nat(), (page, changes, cut) => {
        const blob = encodeChunk(page);
        // Mostly the heads of the sections, where the forms, counts and sizes are.
        for (const [at, byte] of changes)
          blob[4 + (at % Math.min(blob.length - 4, at % 2 === 0 ? 40 : 4000))] = byte;
        expectBounded(reseal(blob));
        expectBounded(reseal(blob.slice(0, 8 + (cut % (blob.length - 7)))));
      }),
      { numRuns: proofRuns(3000, 1) },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 300 }), (random) => {
        const blob = Uint8Array.from(random);
        blob.set([1, (blob[5] ?? 0) & 1], 4);
        expectBounded(reseal(blob));
      }),
      { numRuns: proofRuns(3000, 1) },
    );
  });
});
