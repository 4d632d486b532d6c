import { invalidField } from "../../errors.ts";
import type { Micros } from "../../time.ts";
import type { TimeRange } from "../types.ts";
import { type Interval, intervalText } from "./interval.ts";
import { segmentAt, zoneOffsets } from "./zones.ts";

/** 2000-01-03T00:00Z, a Monday: where fixed widths, days and weeks are counted from. */
export const origin: Micros = Date.UTC(2000, 0, 3) * 1000;

const day = 86_400_000_000;
const originDay = origin / day;

export const maxBuckets = 1_000_000;

export interface EdgeOptions {
  /** Moves every edge: from the origin for a fixed width; on the wall clock, less than a day, for a civil one. */
  readonly offset?: Micros;
  /** The most buckets before the request is refused. */
  readonly limit?: number;
}

/**
 * The left edges of the buckets that [from, to) touches, ascending, and the end of the last: n + 1 edges for n buckets,
 * none for an empty range. The first edge is at or before `from`, the last at or after `to`.
 *
 * A civil edge is the first instant at which the zone's clock shows that midnight or anything later. So a day that the
 * zone skipped has no bucket, a day without midnight starts when its clock does, and a midnight that comes twice counts
 * when it comes first.
 * @throws Problem `invalid-request` for an unknown zone, too many buckets, an offset of a day or more with civil days or
 *   months, or edges that no microsecond of the store can name
 */
export const edgesBetween = (
  interval: Interval,
  zone: string,
  range: TimeRange,
  options: EdgeOptions = {},
): Float64Array => {
  const { offset = 0, limit = maxBuckets } = options;
  if (!(range.from < range.to)) return new Float64Array(0);
  if (interval.kind === "fixed") return fixedEdges(interval.width, range, offset, limit);
  if (!(Math.abs(offset) < day)) {
    throw invalidField(
      "offset",
      `${offset} microseconds is not less than a day, as an offset to calendar days must be.`,
    );
  }
  return civilEdges(interval, zone, range, offset, limit);
};

const positiveRest = (value: number, width: number): number => {
  const rest = value % width;
  return rest < 0 ? rest + width : rest;
};

/** The left edge of the bucket that holds `time`. Exact, as remainders are. */
export const fixedEdge = (width: Micros, time: Micros, offset: Micros = 0): Micros => {
  const shift = positiveRest((origin % width) + (offset % width), width);
  return time - positiveRest(positiveRest(time, width) - shift, width);
};

const fixedEdges = (width: Micros, range: TimeRange, offset: Micros, limit: number): Float64Array => {
  const first = fixedEdge(width, range.from, offset);
  const count = Math.ceil((range.to - first) / width);
  refuseMoreThan(limit, count, { kind: "fixed", width });
  const edges = new Float64Array(count + 1);
  for (let i = 0; i <= count; i++) edges[i] = first + i * width;
  refuseUnsafe(edges);
  return edges;
};

const refuseMoreThan = (limit: number, count: number, interval: Interval): void => {
  if (count <= limit) return;
  throw invalidField(
    "interval",
    `${intervalText(interval)} makes ${count} buckets of this range; at most ${limit} are possible. ` +
      "Ask for a longer interval or a shorter range.",
  );
};

const refuseUnsafe = (edges: Float64Array): void => {
  const first = edges[0] as number;
  const last = edges[edges.length - 1] as number;
  if (Number.isSafeInteger(first) && Number.isSafeInteger(last)) return;
  throw invalidField(
    "interval",
    "Its buckets reach beyond the years 1685 to 2255, in which times can be stored.",
  );
};

interface Calendar {
  /** The number of the bucket that holds this local time (microseconds as if the zone were UTC). */
  indexOf(local: Micros): number;
  /** The local time at which the bucket starts. */
  startOf(index: number): Micros;
}

const days = (count: number): Calendar => ({
  indexOf: (local) => Math.floor((Math.floor(local / day) - originDay) / count),
  startOf: (index) => (originDay + index * count) * day,
});

/** Counted from January 2000. */
const months = (count: number): Calendar => ({
  indexOf: (local) => {
    const date = new Date(Math.floor(local / 1000));
    return Math.floor(((date.getUTCFullYear() - 2000) * 12 + date.getUTCMonth()) / count);
  },
  startOf: (index) => Date.UTC(2000, index * count) * 1000,
});

const civilEdges = (
  interval: Interval & { kind: "civil" },
  zone: string,
  range: TimeRange,
  offset: Micros,
  limit: number,
): Float64Array => {
  const calendar = interval.unit === "day" ? days(interval.count) : months(interval.count);
  // A calendar unit more on each side, as the edges lie outside the range.
  const margin = interval.count * (interval.unit === "day" ? 1 : 31) * day + 2 * day;
  const zoned = zoneOffsets(zone, range.from - margin, range.to + margin);
  const { starts, offsets } = zoned;
  const localOf = (time: Micros): Micros => time + (offsets[segmentAt(zoned, time)] as number);
  const firstIndex = calendar.indexOf(localOf(range.from) - offset);
  refuseMoreThan(limit, calendar.indexOf(localOf(range.to - 1) - offset) - firstIndex + 1, interval);
  let segment = 0;
  /** Instants of ascending local times: the first segment whose clock still reaches it, not before it starts. */
  const instantOf = (local: Micros): Micros => {
    while (
      segment + 1 < starts.length &&
      (starts[segment + 1] as number) + (offsets[segment] as number) <= local
    ) {
      segment++;
    }
    return Math.max(local - (offsets[segment] as number), starts[segment] as number);
  };
  const edges: number[] = [];
  let edge = instantOf(calendar.startOf(firstIndex) + offset);
  for (let index = firstIndex + 1; edge < range.to; index++) {
    const next = instantOf(calendar.startOf(index) + offset);
    // Not so for a day that was skipped, and where a repeated hour put `from` back into the day before.
    if (next > edge && next > range.from) edges.push(edge);
    edge = next;
  }
  edges.push(edge);
  const ascending = Float64Array.from(edges);
  refuseUnsafe(ascending);
  return ascending;
};

/** The index of the bucket that holds `time`, by n + 1 ascending edges; -1 before the first, n after the last. */
export const bucketIndex = (edges: Float64Array, time: Micros): number => {
  let low = -1;
  let high = edges.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] as number) <= time) low = middle;
    else high = middle;
  }
  return low;
};
