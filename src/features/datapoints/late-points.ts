import { type NestedErrors, Problem } from "../../kernel/errors.ts";
import type { Micros } from "../../kernel/time.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Point, PointBatch, StreamId } from "../../kernel/timeseries/types.ts";

/**
 * Appends all points, or none.
 * @param refusal where some are older than the stream keeps: what is wrong with each, in order
 */
export async function appendOrRefuse(
  timeseries: TimeSeries,
  stream: StreamId,
  points: readonly Point[],
  refusal: (faults: readonly NestedErrors[]) => Problem,
): Promise<void> {
  try {
    await timeseries.append(batchOf(stream, points));
  } catch (error) {
    if (!(error instanceof Problem && error.code === "expired")) throw error;
    const horizon = timeseries.horizon(stream);
    throw refusal(points.map(({ time }) => (time < horizon ? { timestamp: [rule(time, horizon)] } : {})));
  }
}

const rule = (time: Micros, horizon: Micros): string => {
  const [at, from] = [time, horizon].map((micros) => new Date(micros / 1000).toISOString());
  return `${at} is before what the stream keeps, which begins at ${from}.`;
};

function batchOf(stream: StreamId, points: readonly Point[]): PointBatch {
  const count = points.length;
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  const texts = new Map<number, string>();
  for (const [index, { time, value }] of points.entries()) {
    times[index] = time;
    values[index] = typeof value === "number" ? value : Number.NaN;
    if (typeof value === "string") texts.set(index, value);
  }
  const streams = new Uint32Array(count).fill(stream);
  return { count, streams, times, values, ...(texts.size > 0 ? { texts } : {}) };
}
