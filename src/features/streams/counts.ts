import type { Interval } from "../../kernel/timeseries/buckets/interval.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";

const centuries: Interval = { kind: "civil", unit: "month", count: 1200 };
/** Centuries that end where the store can name their edges; points before and after them are not counted. */
const range = { from: Date.UTC(1700, 0) * 1000, to: Date.UTC(2200, 0) * 1000 };

/** How many points each stream has: from the summaries, so that it costs little however many there are. */
export async function countPoints(
  timeseries: TimeSeries,
  streams: readonly Stream[],
): Promise<readonly number[]> {
  const counts = streams.map(() => 0);
  const query = {
    streams: streams.map(({ id }) => id),
    range,
    interval: centuries,
    zone: "UTC",
    figures: [{ kind: "aggregate", aggregate: "count" }],
    fill: "null",
  } as const;
  for await (const { columns } of timeseries.buckets(query))
    for (const [index, column] of columns.entries())
      counts[index] = column.reduce(
        (sum, count) => sum + (Number.isNaN(count) ? 0 : count),
        counts[index] ?? 0,
      );
  return counts;
}
