import { fixedEdge } from "../../kernel/timeseries/buckets/edges.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Stream, TimeRange } from "../../kernel/timeseries/types.ts";

/** Centuries that end where the store can name their edges; points before and after them are not counted. */
const centuries = { from: Date.UTC(1700, 0) * 1000, to: Date.UTC(2200, 0) * 1000 };

/**
 * How many points each stream has: from the summaries, so that it costs little however many there are. Points that have
 * expired are not counted, although their summaries are still there.
 */
export async function countPoints(
  timeseries: TimeSeries,
  streams: readonly Stream[],
): Promise<readonly number[]> {
  const counts = new Map<number, number>();
  const begins = (id: number) => Math.max(timeseries.retention.horizon(id), centuries.from);
  for (const [from, members] of Map.groupBy(new Set(streams.map(({ id }) => id)), begins))
    for (const [id, count] of await countsFrom(timeseries, members, { from, to: centuries.to }))
      counts.set(id, count);
  return streams.map(({ id }) => counts.get(id) ?? 0);
}

async function countsFrom(
  timeseries: TimeSeries,
  ids: readonly number[],
  range: TimeRange,
): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  const width = range.to - range.from;
  const query = {
    streams: ids,
    range,
    interval: { kind: "fixed", width },
    offset: range.from - fixedEdge(width, range.from),
    zone: "UTC",
    figures: [{ kind: "aggregate", aggregate: "count" }],
    fill: "null",
  } as const;
  for await (const { columns } of timeseries.buckets(query))
    for (const [index, id] of ids.entries())
      counts.set(id, (counts.get(id) ?? 0) + (columns[index]?.[0] || 0));
  return counts;
}
