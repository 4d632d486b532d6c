import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { proofRuns } from "../../../../test/proof/runs.ts";
import { allTime } from "../types.ts";
import { LogCorrupt } from "./corrupt.ts";
import { decodeLogBatch, encodeLogBatch, type LogOperation, type PointsOperation } from "./log-batch.ts";
import { anyTexts, anyValues } from "./pages.fixture.ts";

const streamId = fc.nat({ max: 0xffffffff });
const time = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });

const points: fc.Arbitrary<PointsOperation> = fc
  .integer({ min: 1, max: 40 })
  .chain((count) =>
    fc.tuple(
      fc.array(streamId, { minLength: count, maxLength: count + 2 }),
      fc.array(time, { minLength: count, maxLength: count }),
      anyValues(count),
      anyTexts(count),
      fc.boolean(),
    ),
  )
  .map(([streams, times, values, texts, typed]): PointsOperation => {
    const marked = values.map((value, i) => (texts.has(i) ? Number.NaN : value));
    const columns = typed
      ? {
          streams: Uint32Array.from(streams),
          times: Float64Array.from(times),
          values: Float64Array.from(marked),
        }
      : { streams, times, values: marked };
    return { kind: "points", count: times.length, ...columns, ...(texts.size > 0 ? { texts } : {}) };
  });

const operation: fc.Arbitrary<LogOperation> = fc.oneof(
  points,
  fc.record({
    kind: fc.constant("deleteRange" as const),
    stream: streamId,
    range: fc.record({ from: time, to: time }),
  }),
  fc.record({ kind: fc.constant("dropStream" as const), stream: streamId }),
  fc.record({
    kind: fc.constant("placeChunks" as const),
    stream: streamId,
    edit: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    side: fc.constantFrom(0, 1),
    first: time,
    last: time,
  }),
);

const operations = fc.array(operation, { maxLength: 6 });

/** Plain arrays of exactly `count` entries, comparable with -0 and NaN by toEqual. */
const plainOf = (op: LogOperation): unknown => {
  if (op.kind !== "points") return op;
  const column = (source: ArrayLike<number>): number[] => Array.from(source).slice(0, op.count);
  const texts = [...(op.texts ?? [])].sort(([a], [b]) => a - b);
  const columns = { streams: column(op.streams), times: column(op.times), values: column(op.values) };
  return { kind: "points", count: op.count, ...columns, texts };
};

const reseal = (blob: Uint8Array): Uint8Array => {
  new DataView(blob.buffer, blob.byteOffset).setUint32(0, crc32(blob.subarray(4)), true);
  return blob;
};

const expectNamed = (blob: Uint8Array): void => {
  try {
    decodeLogBatch(blob);
  } catch (error) {
    expect(error).toBeInstanceOf(LogCorrupt);
  }
};

const sample: readonly LogOperation[] = [
  {
    kind: "points",
    count: 3,
    streams: [1, 2, 3],
    times: [10, 20, 30],
    values: [1.5, Number.NaN, -0],
    texts: new Map([[1, '"ü"']]),
  },
  { kind: "deleteRange", stream: 7, range: allTime },
  { kind: "dropStream", stream: 8 },
];

describe("round trip", () => {
  it("gives back any operations in their order", () => {
    fc.assert(
      fc.property(operations, fc.nat({ max: 16 }), (ops, offset) => {
        const blob = encodeLogBatch(ops);
        expect(blob.byteLength).toBe(blob.buffer.byteLength);
        expect(decodeLogBatch(blob).map(plainOf)).toEqual(ops.map(plainOf));
        const shifted = Buffer.alloc(blob.length + 16).subarray(offset, offset + blob.length);
        shifted.set(blob);
        expect(decodeLogBatch(shifted).map(plainOf)).toEqual(ops.map(plainOf));
      }),
      { numRuns: proofRuns(500, 1) },
    );
  });

  it("decodes columns as views of the blob", () => {
    const blob = encodeLogBatch(sample);
    const [first] = decodeLogBatch(blob);
    expect(first?.kind === "points" && first.times.buffer === blob.buffer).toBe(true);
  });

  it("takes the first entries of longer columns of any kind", () => {
    const columns = {
      streams: new Uint16Array([9, 9, 9]),
      times: new Float64Array(8).fill(5),
      values: new Int8Array(4),
    };
    const [decoded] = decodeLogBatch(encodeLogBatch([{ kind: "points", count: 2, ...columns }]));
    expect(decoded && plainOf(decoded)).toEqual({
      ...{ kind: "points", count: 2, streams: [9, 9], times: [5, 5], values: [0, 0], texts: [] },
    });
  });

  it("refuses columns shorter than the count and texts outside it", () => {
    const columns = { streams: [1, 1], times: [1, 2], values: [1, 2] };
    expect(() => encodeLogBatch([{ kind: "points", count: 3, ...columns }])).toThrow(/2 times for 3 points/);
    const texts = new Map([[2, "true"]]);
    expect(() => encodeLogBatch([{ kind: "points", count: 2, ...columns, texts }])).toThrow(RangeError);
  });
});

it("reads what earlier versions of the program wrote", () => {
  const stored =
    "5d325d890100000003000000000000000100000003000000010000000400000000000000000024400000000000003440" +
    "0000000000003e40000000000000f83f000000000000f87f000000000000008001000000020000000300000000000000" +
    "0100000000000000040000000000000022c3bc220000000002000000070000000000000000000000ffffffffffff3fc3" +
    "ffffffffffff3f4303000000080000000000000000000000";
  expect(decodeLogBatch(Buffer.from(stored, "hex")).map(plainOf)).toEqual(sample.map(plainOf));
  expect(Buffer.from(encodeLogBatch(sample)).toString("hex")).toBe(stored);
});

describe("damage", () => {
  it("is named for each flipped byte and each length", () => {
    const blob = encodeLogBatch(sample);
    for (let i = 0; i < blob.length; i++) {
      const damaged = blob.slice();
      damaged[i] = (damaged[i] ?? 0) ^ 0x10;
      expect(() => decodeLogBatch(damaged)).toThrow(LogCorrupt);
      expect(() => decodeLogBatch(blob.slice(0, i))).toThrow(LogCorrupt);
      if (i >= 16) expect(() => decodeLogBatch(reseal(blob.slice(0, i)))).toThrow(LogCorrupt);
    }
  });

  it("is named for an unknown version", () => {
    const blob = encodeLogBatch(sample);
    blob[4] = 9;
    expect(() => decodeLogBatch(reseal(blob))).toThrow(/version is 9/);
  });

  it("is named for random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (blob) => {
        expect(() => decodeLogBatch(blob)).toThrow(LogCorrupt);
      }),
    );
  });

  it("throws nothing else where the checksum is right", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(operations, damage, (ops, changes) => {
        const blob = encodeLogBatch(ops);
        for (const [at, byte] of changes)
          blob[4 + (at % Math.min(blob.length - 4, at % 2 === 0 ? 32 : 2000))] = byte;
        expectNamed(reseal(blob));
      }),
      { numRuns: proofRuns(2000, 1) },
    );
  });
});
