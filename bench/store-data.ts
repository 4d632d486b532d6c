import type { PointBatch } from "../src/kernel/timeseries/types.ts";

/** The data set of the store's figures: two-decimal random walks every 10 s, the streams of each step shuffled. */
export interface DataSet {
  readonly points: number;
  readonly ids: readonly number[];
  readonly streams: Uint32Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Time of the first step, microseconds. */
export const start = Date.UTC(2026, 0, 1) * 1000;
export const spacing = 10_000_000;

/** A small generator with a fixed seed (mulberry32), so that every run stores the same. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

export function dataSet(ids: readonly number[], points: number): DataSet {
  const random = randomFrom(1);
  const streams = new Uint32Array(points);
  const times = new Float64Array(points);
  const values = new Float64Array(points);
  const cents = ids.map(() => Math.floor(random() * 4000));
  const order = ids.map((_, i) => i);
  for (let at = 0; at < points; at += ids.length) {
    shuffle(order, random);
    const time = start + (at / ids.length) * spacing;
    order.slice(0, points - at).forEach((stream, i) => {
      cents[stream] = (cents[stream] ?? 0) + Math.floor(random() * 41) - 20;
      streams[at + i] = ids[stream] ?? 0;
      times[at + i] = time;
      values[at + i] = (cents[stream] ?? 0) / 100;
    });
  }
  return { points, ids, streams, times, values };
}

function shuffle(order: number[], random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
}

/** Views of `size` points each. */
export function batchesOf(data: DataSet, size: number): PointBatch[] {
  const batches: PointBatch[] = [];
  for (let at = 0; at < data.points; at += size) {
    const end = Math.min(at + size, data.points);
    batches.push({
      count: end - at,
      streams: data.streams.subarray(at, end),
      times: data.times.subarray(at, end),
      values: data.values.subarray(at, end),
    });
  }
  return batches;
}
