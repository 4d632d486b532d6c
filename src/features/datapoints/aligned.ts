import { type Micros, millisFromMicros } from "../../kernel/time.ts";
import { mergePoints } from "../../kernel/timeseries/merge.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { PointValue, StreamId, TimeRange } from "../../kernel/timeseries/types.ts";
import type { MeanRow } from "./means.ts";
import { memberText, type WireForm } from "./values.ts";

/** A datapoint that has a stream. */
export interface AlignedDatapoint {
  readonly id: number;
  readonly stream: StreamId;
}

/** The values of several datapoints at one time. */
export interface AlignedRow {
  readonly time: Micros;
  /** By the id of the datapoint; one that has no value then is not there. */
  readonly values: ReadonlyMap<number, PointValue>;
}

/** Points that have the same time stand in one row. */
export async function* alignedPoints(
  timeseries: TimeSeries,
  datapoints: readonly AlignedDatapoint[],
  range: TimeRange,
): AsyncGenerator<readonly AlignedRow[]> {
  const sources = datapoints.map(({ stream }) => timeseries.read(stream, range));
  let open: { time: Micros; values: Map<number, PointValue> } | undefined;
  for await (const page of mergePoints(sources)) {
    const rows: AlignedRow[] = [];
    for (let i = 0; i < page.times.length; i += 1) {
      const time = page.times[i] as number;
      if (open?.time !== time) {
        if (open) rows.push(open);
        open = { time, values: new Map() };
      }
      const id = datapoints[page.sources[i] as number]?.id ?? 0;
      open.values.set(id, page.texts?.get(i) ?? (page.values[i] as number));
    }
    yield rows;
  }
  if (open) yield [open];
}

export async function* alignedMeans(
  pages: AsyncIterable<readonly MeanRow[]>,
  datapoints: readonly AlignedDatapoint[],
): AsyncGenerator<readonly AlignedRow[]> {
  for await (const page of pages)
    yield page.map(({ time, means }) => ({
      time,
      values: new Map(
        datapoints.flatMap(({ id }, index) => {
          const mean = means[index];
          return mean === undefined ? [] : [[id, mean ?? "null"] as const];
        }),
      ),
    }));
}

/** `[{"timestamp":…,"values":{"12":"21.5","13":null}},…]`: each row names all datapoints. */
export async function* alignedJson(
  pages: AsyncIterable<readonly AlignedRow[]>,
  ids: readonly number[],
  form: WireForm,
): AsyncGenerator<string> {
  let separator = "[";
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield separator + page.map((row) => rowText(row, ids, form)).join(",");
    separator = ",";
  }
  yield separator === "[" ? "[]" : "]";
}

function rowText({ time, values }: AlignedRow, ids: readonly number[], form: WireForm): string {
  const members = ids.map((id) => {
    const value = values.get(id);
    return `"${id}":${value === undefined ? "null" : memberText(value, form)}`;
  });
  return `{"timestamp":${millisFromMicros(time)},"values":{${members.join(",")}}}`;
}

/** The first rows, and where the next page begins when there are more. */
export async function firstRows(
  pages: AsyncIterable<readonly AlignedRow[]>,
  limit: number,
): Promise<{ readonly rows: readonly AlignedRow[]; readonly next: Micros | undefined }> {
  const rows: AlignedRow[] = [];
  for await (const page of pages) {
    rows.push(...page);
    if (rows.length > limit) break;
  }
  return { rows: rows.slice(0, limit), next: rows[limit]?.time };
}
