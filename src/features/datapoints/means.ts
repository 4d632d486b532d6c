import type { Micros } from "../../kernel/time.ts";
import { aggregate } from "../../kernel/timeseries/buckets/aggregates.ts";
import { edgesBetween } from "../../kernel/timeseries/buckets/edges.ts";
import type { Interval } from "../../kernel/timeseries/buckets/interval.ts";
import type { BucketFigure } from "../../kernel/timeseries/buckets/query.ts";
import { RunningSummary } from "../../kernel/timeseries/buckets/rollup.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { StreamId, TimeRange } from "../../kernel/timeseries/types.ts";

/** A bucket in which at least one of the streams has a point. */
export interface MeanRow {
  /** Left edge. */
  readonly time: Micros;
  /** One for each stream: null where its points are no numbers, undefined where it has none. */
  readonly means: readonly (number | null | undefined)[];
}

/** Buckets asked for at once; where there are no points, none are. */
const stretchBuckets = 1000;
const day: Micros = 86_400_000_000;
const zone = "UTC";
const figures: readonly BucketFigure[] = [
  { kind: "aggregate", aggregate: "count" },
  { kind: "aggregate", aggregate: "avg" },
];

/** Means over the points of the range alone, also where it begins or ends within a bucket; ascending. */
export async function* meanRows(
  timeseries: TimeSeries,
  streams: readonly StreamId[],
  range: TimeRange,
  interval: Interval,
): AsyncGenerator<readonly MeanRow[]> {
  const newest = Math.max(...streams.map((stream) => timeseries.highWater(stream)));
  const end = Math.min(range.to, newest + 1);
  for (let from = range.from; from < end; ) {
    const first = await firstTime(timeseries, streams, { from, to: end });
    if (first === undefined) return;
    const to = Math.min(end, first + stretchBuckets * widthOf(interval));
    const edges = edgesBetween(interval, zone, { from: first, to });
    yield await rowsBetween(timeseries, streams, range, interval, edges);
    from = edges.at(-1) ?? end;
  }
}

const widthOf = (interval: Interval): Micros =>
  interval.kind === "fixed" ? interval.width : interval.count * (interval.unit === "day" ? day : 28 * day);

async function firstTime(
  timeseries: TimeSeries,
  streams: readonly StreamId[],
  { from, to }: TimeRange,
): Promise<Micros | undefined> {
  let first: Micros | undefined;
  for (const stream of streams)
    for await (const { times } of timeseries.read(stream, { from, to: first ?? to })) {
      first = times[0] ?? first;
      if (times.length > 0) break;
    }
  return first;
}

async function rowsBetween(
  timeseries: TimeSeries,
  streams: readonly StreamId[],
  range: TimeRange,
  interval: Interval,
  edges: Float64Array,
): Promise<readonly MeanRow[]> {
  const count = edges.length - 1;
  const edge = (index: number): Micros => edges[index] as number;
  // Only the first and the last bucket can reach beyond the range.
  const begin = edge(0) < range.from ? 1 : 0;
  const end = edge(count) > range.to ? count - 1 : count;
  const rows: MeanRow[] = [];
  const partOf = (index: number) =>
    partialRow(timeseries, streams, edge(index), {
      from: Math.max(edge(index), range.from),
      to: Math.min(edge(index + 1), range.to),
    });
  if (begin === 1) rows.push(await partOf(0));
  if (begin < end)
    rows.push(...(await wholeRows(timeseries, streams, { from: edge(begin), to: edge(end) }, interval)));
  if (end < count && end >= begin) rows.push(await partOf(end));
  return rows.filter(({ means }) => means.some((mean) => mean !== undefined));
}

async function wholeRows(
  timeseries: TimeSeries,
  streams: readonly StreamId[],
  range: TimeRange,
  interval: Interval,
): Promise<readonly MeanRow[]> {
  const rows: MeanRow[] = [];
  const query = { streams, range, interval, zone, figures, fill: "null" } as const;
  for await (const { edges, columns } of timeseries.buckets(query))
    for (let row = 0; row + 1 < edges.length; row += 1)
      rows.push({
        time: edges[row] as number,
        means: streams.map((_stream, index) =>
          meanOf(columns[2 * index]?.[row] ?? 0, columns[2 * index + 1]?.[row] ?? Number.NaN),
        ),
      });
  return rows;
}

const meanOf = (count: number, mean: number): number | null | undefined =>
  count > 0 ? (Number.isNaN(mean) ? null : mean) : undefined;

async function partialRow(
  timeseries: TimeSeries,
  streams: readonly StreamId[],
  time: Micros,
  part: TimeRange,
): Promise<MeanRow> {
  const means: (number | null | undefined)[] = [];
  for (const stream of streams) {
    const summary = new RunningSummary();
    for await (const { times, values } of timeseries.read(stream, part))
      summary.addPoints(times, values, 0, times.length);
    means.push(meanOf(summary.count, aggregate("avg", summary, part, undefined) ?? Number.NaN));
  }
  return { time, means };
}
