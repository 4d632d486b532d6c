import { setImmediate as nextTurn } from "node:timers/promises";
import { decodeCursor } from "../../kernel/http/paging.ts";
import { mergePoints } from "../../kernel/timeseries/merge.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import { allTime, type PointPage, type Stream, type TimeRange } from "../../kernel/timeseries/types.ts";
import { type Conversion, checkUnit, conversion, rounded, same } from "../../kernel/units/conversion.ts";
import { fitting } from "./columns.ts";
import { jsonCell } from "./ndjson.ts";
import type { Wish } from "./query.ts";
import type { RowBatch, RowColumn } from "./rows.ts";

/** A stream whose points are read, and what turns its numbers into the unit asked for. */
export interface RawSource {
  readonly stream: Stream;
  readonly unit: string;
  readonly conversion: Conversion;
  readonly range: TimeRange;
}

export const rawColumns: readonly RowColumn[] = [
  { name: "stream", kind: "stream" },
  { name: "value", kind: "value" },
];

/** @throws Problem `invalid-request` for units that do not fit, and a cursor of another list */
export async function rawSources(streams: readonly Stream[], wish: Wish): Promise<readonly RawSource[]> {
  const { unit, cursor } = wish;
  if (unit !== undefined) await checkUnit(unit);
  const from = wish.from ?? allTime.from;
  const to = wish.to ?? allTime.to;
  const [time, place] =
    cursor === undefined ? [] : (decodeCursor(cursor, ["number", "number"]) as readonly number[]);
  const sources: RawSource[] = [];
  for (const [index, stream] of streams.entries()) {
    // Behind the last row of the page before: at the same time other streams may follow.
    const after = time === undefined ? from : index <= (place ?? 0) ? time + 1 : time;
    sources.push({
      stream,
      unit: unit ?? stream.unit,
      conversion: unit === undefined ? same : fitting(await conversion(stream.unit, unit), stream, unit),
      range: { from: Math.min(Math.max(from, after), to), to },
    });
  }
  return sources;
}

/** Points of all streams by time, at the same time in the order of the streams. */
export async function* rawBatches(
  timeseries: TimeSeries,
  sources: readonly RawSource[],
): AsyncGenerator<RowBatch> {
  const ids = sources.map(({ stream }) => stream.id);
  const pages = mergePoints(sources.map((source) => pagesOf(timeseries, source)));
  for await (const { sources: places, times, values, texts } of pages)
    yield {
      times,
      columns: [places.map((place) => ids[place] as number), values],
      ...(texts ? { texts } : {}),
    };
}

/** The stream's points in the unit asked for. */
async function* pagesOf(
  timeseries: TimeSeries,
  { stream, conversion, range }: RawSource,
): AsyncGenerator<PointPage> {
  const pages = timeseries.read(stream.id, range);
  if (conversion === same) yield* pages;
  else for await (const page of pages) yield { ...page, values: converted(page.values, conversion) };
}

const converted = (values: Float64Array, { scale, shift }: Conversion): Float64Array =>
  values.map((value) => rounded(value * scale + shift));

/**
 * `{"streams":[{"id":12,…,"points":[[time,value],…]},…]}`, one stream after the other: nothing is held but a page.
 */
export async function* rawJson(
  timeseries: TimeSeries,
  sources: readonly RawSource[],
): AsyncGenerator<string> {
  let separator = '{"streams":[';
  for (const source of sources) {
    yield separator + streamHead(source);
    let comma = "";
    for await (const page of pagesOf(timeseries, source)) {
      yield comma + pairs(page);
      comma = ",";
      await nextTurn();
    }
    yield "]}";
    separator = ",";
  }
  yield sources.length === 0 ? '{"streams":[]}' : "]}";
}

/** The same of a page that is in memory. */
export function* rawPageJson(batches: readonly RowBatch[], sources: readonly RawSource[]): Generator<string> {
  const points = new Map<number, string[]>(sources.map(({ stream }) => [stream.id, []]));
  for (const { times, columns, texts } of batches)
    for (let row = 0; row < times.length; row++)
      points
        .get(columns[0]?.[row] ?? 0)
        ?.push(pair(times[row] as number, columns[1]?.[row] ?? Number.NaN, texts?.get(row)));
  let separator = '{"streams":[';
  for (const source of sources) {
    yield `${separator}${streamHead(source)}${points.get(source.stream.id)?.join(",") ?? ""}]}`;
    separator = ",";
  }
  yield "]}";
}

const streamHead = ({ stream: { id, owner, key }, unit }: RawSource): string =>
  `${JSON.stringify({ id, owner, key, unit }).slice(0, -1)},"points":[`;

const pair = (time: number, value: number, text: string | undefined): string =>
  `[${time / 1000},${jsonCell(value, text)}]`;

function pairs({ times, values, texts }: PointPage): string {
  let text = "";
  for (let i = 0; i < times.length; i++)
    text += (i === 0 ? "" : ",") + pair(times[i] as number, values[i] as number, texts?.get(i));
  return text;
}
