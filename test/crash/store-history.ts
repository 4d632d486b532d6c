import type { Point, PointBatch, StreamId, TimeRange } from "../../src/kernel/timeseries/types.ts";

/**
 * The history a writer leaves, step by step: step k appends a point to each stream and corrects one of an earlier
 * step; some steps delete or edit a little, some come late. What is stored after a crash must be what the first p steps make, p
 * not before the last acknowledged one.
 */
export const streamCount = 8;
const start = Date.UTC(2026, 0, 1) * 1000;
const second = 1_000_000;

export type Step =
  | { readonly kind: "append"; readonly points: readonly (readonly [number, number, number])[] }
  | { readonly kind: "delete"; readonly stream: number; readonly range: TimeRange }
  /** Doubles the values of the range. */
  | { readonly kind: "edit"; readonly stream: number; readonly range: TimeRange };

const timeOf = (k: number): number => start + k * second;

export function stepAt(k: number): Step {
  if (k % 97 === 96)
    return { kind: "delete", stream: k % streamCount, range: { from: timeOf(k - 40), to: timeOf(k - 38) } };
  if (k % 97 === 48)
    return { kind: "edit", stream: 1 + (k % 2), range: { from: timeOf(k - 40), to: timeOf(k - 38) } };
  const points: (readonly [number, number, number])[] = [];
  // The stamp of the step itself: tells which steps are there.
  points.push([0, timeOf(k), k]);
  for (let stream = 1; stream < streamCount; stream++) {
    const late = stream === 3 && k % 5 === 0 ? 300 * second : 0;
    points.push([stream, timeOf(k) - late + (late > 0 ? 1 : 0), k + stream / 10]);
  }
  if (k >= 60) points.push([1 + (k % (streamCount - 1)), timeOf(k - 60), -k]);
  return { kind: "append", points };
}

export function batchOf(
  points: readonly (readonly [number, number, number])[],
  ids: readonly StreamId[],
): PointBatch {
  return {
    count: points.length,
    streams: points.map(([stream]) => ids[stream] ?? 0),
    times: points.map(([, time]) => time),
    values: points.map(([, , value]) => value),
  };
}

/** What each stream holds after the steps [0, count). */
export class Expected {
  readonly points = Array.from({ length: streamCount }, () => new Map<number, number>());
  #count = 0;

  advance(count: number): void {
    for (; this.#count < count; this.#count++) {
      const step = stepAt(this.#count);
      if (step.kind === "append")
        for (const [stream, time, value] of step.points) this.points[stream]?.set(time, value);
      else if (step.kind === "delete") this.#delete(step.stream, step.range);
      else this.#double(step.stream, step.range);
    }
  }

  #double(stream: number, { from, to }: TimeRange): void {
    const points = this.points[stream];
    for (const [time, value] of points ?? []) if (time >= from && time < to) points?.set(time, 2 * value);
  }

  #delete(stream: number, { from, to }: TimeRange): void {
    const points = this.points[stream];
    for (const time of points?.keys() ?? []) if (time >= from && time < to) points?.delete(time);
  }

  sorted(stream: number): Point[] {
    const points = [...(this.points[stream] ?? [])].map(([time, value]) => ({ time, value }));
    return points.sort((a, b) => a.time - b.time);
  }
}

/** Steps whose stamp on stream 0 may be deleted by none: where the prefix ends is read off the newest stamp. */
export const stepOfStamp = (time: number): number => (time - start) / second;
