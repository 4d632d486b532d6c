import type { PointBatch } from "../src/kernel/timeseries/types.ts";
import { randomFrom, spacing, start } from "./store-data.ts";

const pointsPerBatch = 50_000;

/** One stream's two-decimal walk every 10 s. */
export function* walk(stream: number, points: number): Generator<PointBatch> {
  const random = randomFrom(stream);
  let cents = 2000;
  for (let at = 0; at < points; at += pointsPerBatch) {
    const count = Math.min(pointsPerBatch, points - at);
    const times = Float64Array.from({ length: count }, (_, i) => start + (at + i) * spacing);
    const values = Float64Array.from({ length: count }, () => {
      cents += Math.floor(random() * 41) - 20;
      return cents / 100;
    });
    yield { count, streams: new Uint32Array(count).fill(stream), times, values };
  }
}
