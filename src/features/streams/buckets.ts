import { invalidField } from "../../kernel/errors.ts";
import { decodeCursor } from "../../kernel/http/paging.ts";
import type { Micros } from "../../kernel/time.ts";
import { intervalText } from "../../kernel/timeseries/buckets/interval.ts";
import type { BucketQuery } from "../../kernel/timeseries/buckets/query.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import { allTime, type Stream, type TimeRange } from "../../kernel/timeseries/types.ts";
import { answerColumns, type ColumnPlan, planColumns } from "./columns.ts";
import type { BucketWish, Wish } from "./query.ts";
import { numberText, type RowBatch, type RowColumn, rowsPerPiece } from "./rows.ts";

/** A stretch of the axis with the answer's columns. */
export interface Stretch {
  /** Left edges, and the end of the last bucket. */
  readonly edges: Float64Array;
  readonly columns: readonly Float64Array[];
}

export interface BucketRead {
  readonly plan: ColumnPlan;
  readonly stretches: AsyncIterable<Stretch>;
}

/** @throws Problem `invalid-request` for units that do not fit, and a cursor of another list */
export async function readBucketed(
  timeseries: TimeSeries,
  streams: readonly Stream[],
  wish: Wish,
  buckets: BucketWish,
): Promise<BucketRead> {
  const plan = await planColumns(streams, buckets.figures, wish.unit);
  const after = wish.cursor === undefined ? undefined : Number(decodeCursor(wish.cursor, ["number"])[0]);
  const range = await axisOf(timeseries, streams, wish);
  if (range === undefined) return { plan, stretches: none() };
  // What fills a gap may lie before the page: then the axis is gone through from its begin.
  const from = after === undefined || buckets.fill !== "null" ? range.from : Math.max(range.from, after);
  const query: BucketQuery = {
    streams: streams.map(({ id }) => id),
    range: { from: Math.min(from, range.to), to: range.to },
    interval: buckets.interval,
    zone: wish.zone,
    offset: buckets.offset,
    figures: plan.figures,
    fill: buckets.fill,
  };
  return { plan, stretches: stretchesFrom(after, timeseries, query, plan, streams) };
}

async function* none(): AsyncGenerator<Stretch> {}

async function* stretchesFrom(
  after: Micros | undefined,
  timeseries: TimeSeries,
  query: BucketQuery,
  plan: ColumnPlan,
  streams: readonly Stream[],
): AsyncGenerator<Stretch> {
  for await (const table of timeseries.buckets(query)) {
    const stretch = { edges: table.edges, columns: answerColumns(plan, streams, table) };
    const first = after === undefined ? 0 : stretch.edges.findIndex((edge) => edge >= after);
    const rows = stretch.edges.length - 1;
    if (first === 0 && rows > 0) yield stretch;
    else if (first > 0 && first < rows) yield cut(stretch, first, rows);
  }
}

/** The buckets [from, to) of a stretch. */
export const cut = ({ edges, columns }: Stretch, from: number, to: number): Stretch => ({
  edges: edges.subarray(from, to + 1),
  columns: columns.map((column) => column.subarray(from, to)),
});

/** Where no times are given: from the first point to the newest. Undefined when there is no point. */
async function axisOf(
  timeseries: TimeSeries,
  streams: readonly Stream[],
  { from, to }: Wish,
): Promise<TimeRange | undefined> {
  const range = { from: from ?? Number.POSITIVE_INFINITY, to: to ?? Number.NEGATIVE_INFINITY };
  if (from === undefined)
    for (const { id } of streams)
      for await (const { times } of timeseries.read(id, { from: allTime.from, to: to ?? allTime.to })) {
        range.from = Math.min(range.from, times[0] ?? Number.POSITIVE_INFINITY);
        if (times.length > 0) break;
      }
  if (to === undefined)
    for (const point of await timeseries.latest(streams.map(({ id }) => id)))
      if (point) range.to = Math.max(range.to, point.time + 1);
  return range.from < range.to ? range : undefined;
}

export const bucketColumns = ({ columns }: ColumnPlan): readonly RowColumn[] =>
  columns.map(({ stream, agg }) => ({ name: `${stream.id}.${agg}`, kind: "figure" }));

export async function* bucketBatches(stretches: AsyncIterable<Stretch>): AsyncGenerator<RowBatch> {
  for await (const { edges, columns } of stretches) yield { times: edges.subarray(0, -1), columns };
}

/** JSON has columns, and so is made when all is there. */
const maxJsonCells = 5_000_000;

/**
 * All stretches as one.
 * @throws Problem `invalid-request` when that is too much to hold
 */
export async function collected(stretches: AsyncIterable<Stretch>, columns: number): Promise<Stretch> {
  const parts: Stretch[] = [];
  let rows = 0;
  for await (const stretch of stretches) {
    parts.push(stretch);
    rows += stretch.edges.length - 1;
    if (rows * columns > maxJsonCells)
      throw invalidField(
        "interval",
        `The answer has more than ${maxJsonCells} values, and JSON is made in memory. Take longer intervals or a ` +
          "shorter time, page with limit, or ask for format=csv, ndjson or parquet, which are streamed.",
      );
  }
  return joined(parts, columns, rows);
}

function joined(parts: readonly Stretch[], columns: number, rows: number): Stretch {
  const edges = new Float64Array(rows === 0 ? 0 : rows + 1);
  const all = Array.from({ length: columns }, () => new Float64Array(rows));
  let at = 0;
  for (const part of parts) {
    edges.set(part.edges, at);
    for (const [index, column] of all.entries()) column.set(part.columns[index] ?? [], at);
    at += part.edges.length - 1;
  }
  return { edges, columns: all };
}

/** `{"interval":…,"zone":…,"times":[…],"end":…,"columns":[{"stream":12,…,"values":[…]},…]}` */
export function* bucketJson(
  { edges, columns }: Stretch,
  plan: ColumnPlan,
  { interval }: BucketWish,
  zone: string,
): Generator<string> {
  const times = edges.subarray(0, -1).map((edge) => edge / 1000);
  yield `${JSON.stringify({ interval: intervalText(interval), zone }).slice(0, -1)},"times":[`;
  yield* numbers(times);
  const end = edges.at(-1);
  yield `],"end":${end === undefined ? "null" : end / 1000},"columns":[`;
  for (const [index, { stream, agg, unit }] of plan.columns.entries()) {
    const head = JSON.stringify({ stream: stream.id, owner: stream.owner, key: stream.key, agg, unit });
    yield `${index === 0 ? "" : ","}${head.slice(0, -1)},"values":[`;
    yield* numbers(columns[index] ?? new Float64Array());
    yield "]}";
  }
  yield "]}";
}

function* numbers(values: Float64Array): Generator<string> {
  const step = rowsPerPiece(1);
  for (let at = 0; at < values.length; at += step)
    yield (at === 0 ? "" : ",") +
      Array.from(values.subarray(at, at + step), (value) =>
        Number.isFinite(value) ? numberText(value) : "null",
      ).join(",");
}
