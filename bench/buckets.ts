/** Size and speed of bucketed reads without I/O: `node bench/buckets.ts`. */

import { aggregateBuckets } from "../src/kernel/timeseries/buckets/aggregates.ts";
import { bucketIndex, edgesBetween } from "../src/kernel/timeseries/buckets/edges.ts";
import type { Interval } from "../src/kernel/timeseries/buckets/interval.ts";
import { RunningSummary, summarizeRange } from "../src/kernel/timeseries/buckets/rollup.ts";
import { decodeRollups, encodeRollups } from "../src/kernel/timeseries/buckets/rollup-codec.ts";
import { type RollupPage, rollupPage } from "../src/kernel/timeseries/buckets/rollup-page.ts";
import { addRows } from "../src/kernel/timeseries/buckets/rollup-rows.ts";
import { encodeChunk } from "../src/kernel/timeseries/codec/chunk.ts";

const minute = 60_000_000;
const day = 1440 * minute;
const year = 365 * day;
const start = Date.UTC(2025, 0, 1) * 1000;

/** The fastest of repeated runs, in milliseconds: what the work takes when nothing else has the processor. */
const timed = (run: () => unknown): number => {
  const until = performance.now() + 400;
  const durations: number[] = [];
  while (performance.now() < until || durations.length < 5) {
    const before = performance.now();
    run();
    durations.push(performance.now() - before);
  }
  return Math.min(...durations);
};

const print = (what: string, figure: string): void => console.log(`${what.padEnd(66)} ${figure}`);

const timeEdges = (what: string, interval: Interval, zone: string, length: number): void => {
  const range = { from: start, to: start + length };
  const { length: edges } = edgesBetween(interval, zone, range);
  const millis = timed(() => edgesBetween(interval, zone, range));
  print(`edges: ${what}`, `${edges} edges, ${(millis * 1000).toFixed(1)} µs`);
};

/** A small generator with a fixed seed, so that every run sums the same values. */
let state = 1;
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
};

interface Kind {
  readonly name: string;
  readonly spacing: () => number;
  readonly value: () => number;
}

const walk = (step: number, divisor: number): (() => number) => {
  let level = 2150;
  return () => {
    level += Math.round((random() - 0.5) * step);
    return level / divisor;
  };
};

const counter = (): (() => number) => {
  let level = 123_456_789;
  return () => {
    level += Math.floor(random() * 30);
    return level / 100;
  };
};

const exactSpacing = (): number => 10_000_000;
const jitter = (): number => 10_000_000 + Math.floor(random() * 50) * 1000;
const fineJitter = (): number => 10_000_000 + Math.floor(random() * 50_000);
const binaryWalk = walk(40, 1);

const kinds: readonly Kind[] = [
  { name: "two decimals every 10 s", spacing: exactSpacing, value: walk(40, 100) },
  { name: "two decimals every minute", spacing: () => minute, value: walk(40, 100) },
  { name: "two decimals, jitter in ms", spacing: jitter, value: walk(40, 100) },
  { name: "counter, jitter in ms", spacing: jitter, value: counter() },
  { name: "counter, jitter in µs", spacing: fineJitter, value: counter() },
  { name: "float32 as float64", spacing: jitter, value: () => Math.fround(binaryWalk() / 97) },
  { name: "any float64", spacing: jitter, value: () => binaryWalk() / 97 },
];

const pointsOf = ({ spacing, value }: Kind, length: number) => {
  const times: number[] = [];
  for (let time = start; time < start + length; time += spacing()) times.push(time);
  return { times: Float64Array.from(times), values: Float64Array.from(times, value) };
};

type Points = ReturnType<typeof pointsOf>;

const pieces = ({ times, values }: Points, width: number): RollupPage => {
  const starts: number[] = [];
  const summaries: RunningSummary[] = [];
  let from = 0;
  for (let edge = start; from < times.length; edge += width) {
    let to = from;
    while (to < times.length && (times[to] ?? 0) < edge + width) to++;
    const summary = new RunningSummary();
    summary.addPoints(times, values, from, to);
    starts.push(edge);
    summaries.push(summary);
    from = to;
  }
  return rollupPage(starts, summaries);
};

/** What a bucketed read does with pieces: find each bucket's rows, add them, and take one figure of each. */
const bucketsOf = (page: RollupPage, edges: Float64Array): Float64Array => {
  const summaries = Array.from({ length: edges.length - 1 }, () => new RunningSummary());
  for (let row = 0; row < page.starts.length; ) {
    const bucket = bucketIndex(edges, page.starts[row] ?? 0);
    const end = edges[bucket + 1] ?? Number.POSITIVE_INFINITY;
    let to = row + 1;
    while (to < page.starts.length && (page.starts[to] ?? 0) < end) to++;
    const summary = summaries[bucket];
    if (summary !== undefined) addRows(summary, page, row, to);
    row = to;
  }
  return aggregateBuckets("twa", edges, summaries, undefined);
};

const chunkBytes = ({ times, values }: Points): number => {
  let bytes = 0;
  for (let i = 0; i < times.length; i += 1024) {
    bytes += encodeChunk({ times: times.subarray(i, i + 1024), values: values.subarray(i, i + 1024) }).length;
  }
  return bytes;
};

const measure = (kind: Kind): void => {
  const points = pointsOf(kind, 28 * day);
  const count = points.times.length;
  const summing = timed(() => summarizeRange(points.times, points.values, 0, count));
  const quarter = pieces(points, 15 * minute);
  const blob = encodeRollups(quarter);
  const rows = quarter.starts.length;
  const perRow = (millis: number): string => `${((millis * 1e6) / rows).toFixed(0)} ns`;
  const encoding = timed(() => encodeRollups(quarter));
  const decoding = timed(() => decodeRollups(blob));
  const days = encodeRollups(pieces(points, day)).length / 28;
  console.log(
    `\n${kind.name}: ${count} points, ${(chunkBytes(points) / count).toFixed(2)} B a point in chunks`,
  );
  print("  summarize", `${((summing * 1e6) / count).toFixed(1)} ns a point`);
  print(
    "  pieces of 15 min: size, encode, decode a row",
    `${(blob.length / rows).toFixed(1)} B, ${perRow(encoding)}, ${perRow(decoding)}`,
  );
  print(
    "  pieces of 15 min and of a day together",
    `${((blob.length + days * 28) / count).toFixed(3)} B a point`,
  );
};

timeEdges("a year of hours", { kind: "fixed", width: 60 * minute }, "UTC", year);
timeEdges(
  "30 years of days, Europe/Berlin",
  { kind: "civil", unit: "day", count: 1 },
  "Europe/Berlin",
  30 * year,
);
timeEdges(
  "30 years of months, Europe/Berlin",
  { kind: "civil", unit: "month", count: 1 },
  "Europe/Berlin",
  30 * year,
);
timeEdges(
  "a month of days, America/New_York",
  { kind: "civil", unit: "day", count: 1 },
  "America/New_York",
  30 * day,
);
for (const kind of kinds) measure(kind);

console.log("\na year of 10 s points from pieces of 15 min, decoded in pages of 672");
for (const kind of kinds.filter((_, i) => i % 2 === 0)) {
  const points = pointsOf(kind, 7 * day);
  const blob = encodeRollups(pieces(points, 15 * minute));
  const hours = edgesBetween({ kind: "fixed", width: 60 * minute }, "UTC", {
    from: start,
    to: start + 7 * day,
  });
  const days = edgesBetween({ kind: "civil", unit: "day", count: 1 }, "Europe/Berlin", {
    from: start,
    to: start + 7 * day,
  });
  const weeks = (edges: Float64Array): number => 52 * timed(() => bucketsOf(decodeRollups(blob), edges));
  print(
    `  ${kind.name}: twa in hours, in days of a zone`,
    `${weeks(hours).toFixed(1)} ms, ${weeks(days).toFixed(1)} ms`,
  );
}
