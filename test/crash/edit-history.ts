import type { PointBatch, StreamId } from "../../src/kernel/timeseries/types.ts";

/** What the streams of the test of edits hold at first: a point each five minutes for 90 days. */
export const day = 86_400_000_000;
const now = Date.UTC(2026, 0, 1, 12);
export const clock = { now: () => now };
const step = 300_000_000;
export const count = (90 * day) / step;
const start = now * 1000 - 90 * day;

export const allOfIt = { from: start, to: now * 1000 };
export const timeAt = (i: number): number => start + i * step;
/** Never 0, which has no sign to tell. */
export const valueAt = (i: number): number => 1 + (i % 1000);

export const pointsFor = (streams: readonly StreamId[]): PointBatch => {
  const all = streams.flatMap((stream) => Array.from({ length: count }, (_, i) => ({ stream, i })));
  return {
    count: all.length,
    streams: all.map(({ stream }) => stream),
    times: all.map(({ i }) => timeAt(i)),
    values: all.map(({ i }) => valueAt(i)),
  };
};
