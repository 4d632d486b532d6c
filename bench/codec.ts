/** Size and speed of the codecs of the time-series store, without I/O: `node bench/codec.ts`. */
import { decodeChunk, encodeChunk } from "../src/kernel/timeseries/codec/chunk.ts";
import { decodeLogBatch, encodeLogBatch } from "../src/kernel/timeseries/codec/log-batch.ts";
import { summarize } from "../src/kernel/timeseries/codec/summary.ts";
import type { PointPage } from "../src/kernel/timeseries/types.ts";

const pagePoints = 1024;
const pageCount = 200;
const minimumMillis = 250;

/** A small generator with a fixed seed (mulberry32), so that every run packs the same bytes. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const random = randomFrom(1);
const start = Date.UTC(2026, 0, 1) * 1000;

type Generator = (i: number) => number | string;

const pagesOf = (spacing: (i: number) => number, value: Generator): PointPage[] => {
  let time = start;
  return Array.from({ length: pageCount }, (_, page) => {
    const times = new Float64Array(pagePoints);
    const values = new Float64Array(pagePoints);
    const texts = new Map<number, string>();
    for (let i = 0; i < pagePoints; i++) {
      time += spacing(i);
      times[i] = time;
      const next = value(page * pagePoints + i);
      values[i] = typeof next === "number" ? next : Number.NaN;
      if (typeof next === "string") texts.set(i, next);
    }
    return texts.size === 0 ? { times, values } : { times, values, texts };
  });
};

const walk = (): Generator => {
  let cents = 2150;
  return () => {
    cents += Math.floor(random() * 101) - 50;
    return cents / 100;
  };
};

const gaussianWalk = (): Generator => {
  let cents = 2150;
  return () => {
    cents += Math.round(Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) * 20);
    return cents / 100;
  };
};

const counter = (): Generator => {
  let total = 0;
  return () => {
    total += Math.floor(random() * 20);
    return total;
  };
};

const tenSeconds = (): number => 10_000_000;
const jittered = (): number => 10_000_000 + Math.floor(random() * 40) * 1000;
const microseconds = (): number => 10_000_000 + Math.floor(random() * 40_000);

const cases: readonly (readonly [string, PointPage[]])[] = [
  ["two-decimal walk, uniform steps", pagesOf(tenSeconds, walk())],
  ["two-decimal walk, ms jitter", pagesOf(jittered, walk())],
  ["two-decimal walk, us jitter", pagesOf(microseconds, walk())],
  ["two-decimal walk, gaussian steps", pagesOf(tenSeconds, gaussianWalk())],
  ["walk with 1 in 100 of -0", pagesOf(tenSeconds, withNegativeZeros(walk()))],
  ["integer counter", pagesOf(tenSeconds, counter())],
  ["constant", pagesOf(tenSeconds, () => 21.5)],
  ["boolean-like JSON texts", pagesOf(tenSeconds, () => (random() < 0.1 ? '"on"' : '"off"'))],
  ["raw doubles", pagesOf(tenSeconds, () => random())],
];

function withNegativeZeros(inner: Generator): Generator {
  return (i) => (i % 100 === 50 ? -0 : inner(i));
}

/** The fastest of the rounds that fit into a quarter of a second, in seconds. */
const best = (work: () => void): number => {
  let fastest = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  while (performance.now() - begin < minimumMillis) {
    const from = performance.now();
    work();
    fastest = Math.min(fastest, performance.now() - from);
  }
  return fastest / 1000;
};

const millions = (points: number, seconds: number): string => (points / seconds / 1e6).toFixed(1).padStart(8);

const chunkRow = (name: string, pages: readonly PointPage[]): void => {
  const points = pagePoints * pageCount;
  const blobs = pages.map(encodeChunk);
  const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
  const encode = best(() => {
    for (const page of pages) encodeChunk(page);
  });
  const decode = best(() => {
    for (const blob of blobs) decodeChunk(blob);
  });
  const sums = best(() => {
    for (const page of pages) summarize(page);
  });
  const figures = [millions(points, encode), millions(points, decode), millions(points, sums)];
  console.log(`${name.padEnd(34)} ${(bytes / points).toFixed(3)} B/point ${figures.join(" ")}`);
};

const logRow = (count: number): void => {
  const streams = Uint32Array.from({ length: count }, () => Math.floor(random() * 1000));
  const times = Float64Array.from({ length: count }, (_, i) => start + i);
  const values = Float64Array.from({ length: count }, () => random());
  const operation = { kind: "points", count, streams, times, values } as const;
  const repeats = Math.max(1, Math.floor(1_000_000 / count));
  const blob = encodeLogBatch([operation]);
  const encode = best(() => {
    for (let i = 0; i < repeats; i++) encodeLogBatch([operation]);
  });
  const decode = best(() => {
    for (let i = 0; i < repeats; i++) decodeLogBatch(blob);
  });
  const micros = [encode, decode].map((seconds) => ((seconds / repeats) * 1e6).toFixed(1).padStart(9));
  console.log(
    `log batch of ${String(count).padEnd(9)} ${(blob.length / count).toFixed(2)} B/point ${micros.join(" ")}`,
  );
};

console.log(`chunks of ${pagePoints} points; M points/s: encode, decode, summarize`);
for (const [name, pages] of cases) chunkRow(name, pages);
console.log("microseconds per batch: encode, decode");
for (const count of [1, 100, 1_000, 10_000, 1_000_000]) logRow(count);
