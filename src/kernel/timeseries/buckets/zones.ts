import { invalidField } from "../../errors.ts";
import type { Micros } from "../../time.ts";

/**
 * The offsets of a zone as segments: `offsets[i]` (microseconds east of UTC) holds from `starts[i]` until `starts[i+1]`;
 * the first starts at -Infinity.
 */
export interface ZoneOffsets {
  readonly starts: Float64Array;
  readonly offsets: Float64Array;
}

interface Cached extends ZoneOffsets {
  readonly from: Micros;
  readonly to: Micros;
}

/** What nearly every request asks for; older and later times take the whole span of the store's times. */
const usual = { from: Date.UTC(1970, 0) * 1000, to: Date.UTC(2100, 0) * 1000 };
const whole = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

/** By the zone's id in its proper case, so that it is bounded by the number of zones and offsets there are. */
const cache = new Map<string, Cached>();

const epoch = Temporal.Instant.fromEpochMilliseconds(0);

/**
 * The proper spelling of an IANA zone ('europe/berlin' is 'Europe/Berlin') or of an offset ('+05:30').
 * @throws Problem `invalid-request` naming the zone
 */
export const zoneId = (zone: string, field = "zone"): string => {
  try {
    // Temporal would also take the zone out of a whole date and time.
    if (/^([A-Za-z][\w+\-/]{0,63}|[+-]\d\d:\d\d)$/.test(zone))
      return epoch.toZonedDateTimeISO(zone).timeZoneId;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw invalidField(
    field,
    `${JSON.stringify(zone.slice(0, 64))} is not a time zone known here. Accepted are IANA names ('Europe/Berlin', 'UTC').`,
  );
};

/** All segments that times in [from, to] can fall in, and maybe more. The answer is kept per zone. */
export const zoneOffsets = (zone: string, from: Micros, to: Micros): ZoneOffsets => {
  const id = zoneId(zone);
  const known = cache.get(id);
  if (known !== undefined && covers(known, from, to)) return known;
  const span = covers(usual, from, to) ? usual : whole;
  const offsets = { ...readOffsets(id, span.from, span.to), ...span };
  cache.set(id, offsets);
  return offsets;
};

const covers = (span: { from: Micros; to: Micros }, from: Micros, to: Micros): boolean =>
  span.from === whole.from || (span.from <= from && to <= span.to);

const readOffsets = (id: string, from: Micros, to: Micros): ZoneOffsets => {
  const starts = [Number.NEGATIVE_INFINITY];
  let at = Temporal.Instant.fromEpochMilliseconds(Math.floor(from / 1000)).toZonedDateTimeISO(id);
  const offsets = [at.offsetNanoseconds / 1000];
  const last = Math.min(to / 1000, 8.64e15);
  for (;;) {
    const next = at.getTimeZoneTransition("next");
    if (next === null || next.epochMilliseconds > last) break;
    starts.push(next.epochMilliseconds * 1000);
    offsets.push(next.offsetNanoseconds / 1000);
    at = next;
  }
  return { starts: Float64Array.from(starts), offsets: Float64Array.from(offsets) };
};

/** The segment that holds the instant. */
export const segmentAt = ({ starts }: ZoneOffsets, time: Micros): number => {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) <= time) low = middle;
    else high = middle;
  }
  return low;
};
