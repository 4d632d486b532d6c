import type { Micros } from "../../kernel/time.ts";
import { type Interval, intervalText, parseInterval } from "../../kernel/timeseries/buckets/interval.ts";
import type { Point, PointValue, Stream } from "../../kernel/timeseries/types.ts";
import { rfc3339, utc } from "./instants.ts";

const day: Micros = 86_400_000_000;

/** What the catalogue says of a stream, as it stands in answers and in the changes; its ETag is over this. */
export const definitionView = ({ id, owner, key, mode, unit, labels, tags, retention }: Stream) => ({
  id,
  owner,
  key,
  mode,
  unit,
  labels,
  tags,
  retention: retention === null ? null : retentionText(retention),
});

export const streamView = (stream: Stream, last: Point | undefined) => ({
  ...definitionView(stream),
  last:
    last === undefined
      ? null
      : { time: rfc3339(last.time, utc), timestamp: last.time / 1000, value: nativeValue(last.value) },
});

const nativeValue = (value: PointValue): unknown =>
  typeof value === "number" ? value : (JSON.parse(value) as unknown);

const intervalOf = (width: Micros): Interval =>
  width % day === 0 ? { kind: "civil", unit: "day", count: width / day } : { kind: "fixed", width };

/** ISO 8601. */
export const retentionText = (width: Micros): string => intervalText(intervalOf(width));

/**
 * A retention as a width: a month counts 31 days and a year 366, so that nothing goes too early.
 * @throws Problem `invalid-request`
 */
export function readRetention(text: string | null, field = "retention"): Micros | null {
  if (text === null) return null;
  const interval = parseInterval(text, field);
  if (interval.kind === "fixed") return interval.width;
  if (interval.unit === "day") return interval.count * day;
  const years = Math.floor(interval.count / 12);
  return (years * 366 + (interval.count - 12 * years) * 31) * day;
}
