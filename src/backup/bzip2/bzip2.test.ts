import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptBzip2 } from "./bit-reader.ts";
import { Bzip2Writer } from "./compress.ts";
import { decompress } from "./decompress.ts";

const packed = (bytes: Uint8Array, part = 65_536): Buffer => {
  const writer = new Bzip2Writer();
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += part) parts.push(writer.push(bytes.subarray(at, at + part)));
  return Buffer.concat([...parts, writer.end()]);
};

async function unpacked(bytes: Uint8Array, part = 65_536): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const block of decompress(pieces(bytes, part))) parts.push(block);
  return Buffer.concat(parts);
}

async function* pieces(bytes: Uint8Array, part: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += part) yield bytes.subarray(at, at + part);
}

/** Bytes as they come: any, of few kinds, runs, and words repeated over and over. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 3_000 }),
  fc.uint8Array({ max: 2, maxLength: 3_000 }),
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 1_200 })), { maxLength: 12 })
    .map((runs) => Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte)))),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 200 }))
    .map(([word, count]) => Buffer.concat(Array<Uint8Array>(count).fill(word))),
);

/** A day of values as a backup holds it. */
const dayOfValues = (): Buffer => {
  const lines = Array.from({ length: 30_000 }, (_, index) => {
    const value = 20 + Math.round(100 * Math.sin(index / 700)) / 10;
    return `    {\n        "value": "${value}",\n        "timestamp": ${1_596_240_000_000 + index * 3_000}\n    }`;
  });
  return Buffer.from(`[\n${lines.join(",\n")}\n]`);
};

const programs = [
  ["bzip2", ["bzip2", "-c"], ["bzip2", "-d", "-c"]],
  [
    "Python",
    ["python3", "-c", "import bz2,sys; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))"],
    ["python3", "-c", "import bz2,sys; sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))"],
  ],
] as const;

function pipe([program, ...args]: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(program ?? "", args, { input, maxBuffer: 1 << 28 });
  expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

const isThere = (program: string): boolean =>
  spawnSync(program, ["--version"], { input: "" }).error === undefined;

describe("bzip2", () => {
  it("gives back what it packed", async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 4_000 }), async (bytes, part) => {
        expect((await unpacked(packed(bytes, part), part)).equals(bytes)).toBe(true);
      }),
    );
  });

  it("packs more than a block, a long run at its end too", async () => {
    const bytes = Buffer.concat([dayOfValues(), Buffer.alloc(700_000, 7), Buffer.from("end")]);
    const file = packed(bytes);
    expect(file.length).toBeLessThan(bytes.length / 10);
    expect((await unpacked(file)).equals(bytes)).toBe(true);
  });

  it("reads several streams in one file", async () => {
    const file = Buffer.concat([
      packed(Buffer.from("one ")),
      packed(Buffer.of()),
      packed(Buffer.from("two")),
    ]);
    expect((await unpacked(file)).toString()).toBe("one two");
  });

  // Recorded from Python 3.11's bz2 and from bzip2 1.0.8 at level 1, so that this holds where neither is installed.
  it.each([
    ["425a68393141592653591fa65d880000000200000a2000210082b1772453850901fa65d880", "[]"],
    ["425a68313141592653594ef0997300000101003800200021b106621238bb9229c284827784cb98", "abcabcabc"],
  ])("reads recorded bytes of others", async (hex, text) => {
    expect((await unpacked(Buffer.from(hex, "hex"))).toString()).toBe(text);
  });

  it("refuses whatever is cut, and never gives out something else for what is altered", async () => {
    const text = dayOfValues().subarray(0, 5_000);
    const file = packed(text);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: file.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          await expect(unpacked(file.subarray(0, at))).rejects.toThrow(CorruptBzip2);
          const altered = Buffer.from(file);
          altered[at] = (altered[at] as number) ^ change;
          // Some bits say nothing about the bytes, like another size of blocks that is large enough.
          const outcome = await unpacked(altered).catch((error: unknown) => error);
          if (!(outcome instanceof CorruptBzip2)) expect(outcome).toEqual(text);
        },
      ),
    );
  });
});

describe.each(programs.filter(([, [program]]) => isThere(program)))("%s", (_name, pack, unpack) => {
  it("reads what we write, and we what it writes", async () => {
    const samples = [
      Buffer.of(),
      Buffer.from("[]"),
      Buffer.alloc(3_000, 9),
      dayOfValues(),
      ...fc.sample(anyBytes, 8),
    ];
    for (const bytes of samples) {
      expect(pipe(unpack, packed(bytes)).equals(bytes)).toBe(true);
      expect((await unpacked(pipe(pack, bytes))).equals(bytes)).toBe(true);
    }
  });
});
