import { invalidField } from "../../kernel/errors.ts";
import type { Micros } from "../../kernel/time.ts";
import { segmentAt, type ZoneOffsets, zoneOffsets } from "../../kernel/timeseries/buckets/zones.ts";

const forms =
  "Write RFC 3339 (2024-01-31T08:00:00+01:00, or without the offset in the zone asked for), a date (2024-01-31), " +
  "or milliseconds since 1970.";

const millis = /^[+-]?\d{1,16}(\.\d{1,6})?$/;
const date = /^\d{4}-\d\d-\d\d$/;
const dateTime = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*([Zz]|[+-]\d\d(?::?\d\d)?)?$/;
/** An offset whose + was not escaped in the URL comes with a blank. */
const lostPlus = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) (\d\d:?\d\d)$/;

/**
 * @param zone for a date or a time without offset; its proper id
 * @throws Problem `invalid-request` naming `field`, the value and the forms
 */
export function readInstant(field: string, text: string, zone: string): Micros {
  const micros = microsOf(text.trim().replace(lostPlus, "$1+$2"), zone);
  if (micros !== undefined && Math.abs(micros) < Number.MAX_SAFE_INTEGER) return micros;
  const fault = micros === undefined ? "is no instant." : "is too far from 1970.";
  throw invalidField(field, `${JSON.stringify(text.slice(0, 60))} ${fault} ${forms}`);
}

function microsOf(text: string, zone: string): Micros | undefined {
  if (millis.test(text)) return Math.round(Number(text) * 1000);
  try {
    if (date.test(text)) return microsecondsOf(Temporal.PlainDate.from(text).toZonedDateTime(zone));
    const match = dateTime.exec(text);
    if (!match) return undefined;
    const [, day = "", time = "", offset] = match;
    const local = Temporal.PlainDateTime.from(`${day}T${time}`);
    return microsecondsOf(offset === undefined ? local.toZonedDateTime(zone) : atOffset(local, offset));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const atOffset = (local: Temporal.PlainDateTime, offset: string): Temporal.ZonedDateTime => {
  const [, sign = "+", hours = "00", minutes = "00"] = /^([+-])(\d\d):?(\d\d)?$/.exec(offset) ?? [];
  return local.toZonedDateTime(`${sign}${hours}:${minutes}`);
};

const microsecondsOf = ({ epochNanoseconds }: Temporal.ZonedDateTime): Micros =>
  Number(BigInt.asIntN(64, epochNanoseconds / 1000n));

export const utc: ZoneOffsets = zoneOffsets("UTC", 0, 0);

const minute: Micros = 60_000_000;

/** RFC 3339 with the offset that the zone has then; as many decimals as the instant has. */
export function rfc3339(time: Micros, zone: ZoneOffsets): string {
  const offset = zone.offsets[segmentAt(zone, time)] as number;
  // RFC 3339 knows whole minutes only; before about 1920 some zones had others.
  const shown = Math.trunc(offset / minute) * minute;
  const fraction = ((time % 1_000_000) + 1_000_000) % 1_000_000;
  // Not added in microseconds, which the last day of the store would leave no room for.
  const text = new Date((time - fraction) / 1000 + shown / 1000).toISOString().slice(0, -5);
  const decimals = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
  return `${text}${decimals}${offsetText(shown)}`;
}

function offsetText(offset: Micros): string {
  if (offset === 0) return "Z";
  const minutes = Math.abs(offset) / minute;
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
