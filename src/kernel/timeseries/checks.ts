import { invalidField, Problem } from "../errors.ts";
import type { Micros } from "../time.ts";
import type { PointBatch, StreamId, TimeRange } from "./types.ts";

/** What the log's columns can hold. */
const maxStreamId = 2 ** 32 - 1;
/** One append is one row of the log, whose size the engines limit. */
const maxBatchPoints = 5_000_000;

const streamRule = (stream: unknown): string => `${String(stream)} is not the id of a stream.`;
const timeRule = (time: unknown): string =>
  `${String(time)} is not a whole number of microseconds between ±${Number.MAX_SAFE_INTEGER} (exclusive).`;
const numberRule = (value: unknown): string =>
  `${String(value)} is not a finite number; other values are given as JSON text.`;

const isStream = (stream: number): boolean => Number.isInteger(stream) && stream > 0 && stream <= maxStreamId;

/** The ends are left out, so that `allTime` holds every point. */
const isTime = (time: number): boolean =>
  Number.isSafeInteger(time) && Math.abs(time) < Number.MAX_SAFE_INTEGER;

/** @throws Problem `invalid-request` */
export function checkKey(stream: StreamId, time: Micros): void {
  if (!isStream(stream)) throw invalidField("stream", streamRule(stream));
  if (!isTime(time)) throw invalidField("time", timeRule(time));
}

/** @throws Problem `invalid-request` */
export function checkNumber(value: number): void {
  if (!Number.isFinite(value)) throw invalidField("value", numberRule(value));
}

/** @throws Problem `invalid-request` when it is not JSON, or is a number, which would have two forms then */
export function checkText(text: string, field = "value"): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidField(field, `${shortened(text)} is not JSON text.`);
  }
  if (typeof value === "number")
    throw invalidField(field, `${shortened(text)} is the text of a number; give it as a number.`);
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** @throws Problem `invalid-request` naming the first entry that breaks a rule; `too-large` */
export function checkBatch(batch: PointBatch): void {
  const { count, streams, times, values, texts } = batch;
  if (!Number.isInteger(count) || count < 0) throw invalidField("count", `${count} is not a count.`);
  if (count > maxBatchPoints)
    throw new Problem("too-large", {
      detail: `The batch has ${count} points; one append takes ${maxBatchPoints} at most.`,
    });
  for (const [name, column] of Object.entries({ streams, times, values }))
    if (column.length < count)
      throw invalidField(name, `It has ${column.length} entries for ${count} points.`);
  for (let i = 0; i < count; i++) {
    const stream = streams[i] as number;
    if (!(stream > 0 && stream <= maxStreamId) || Math.floor(stream) !== stream)
      throw invalidField(`streams/${i}`, streamRule(stream));
    const time = times[i] as number;
    if (!(time > Number.MIN_SAFE_INTEGER && time < Number.MAX_SAFE_INTEGER) || Math.floor(time) !== time)
      throw invalidField(`times/${i}`, timeRule(time));
    const value = values[i] as number;
    // The difference of a finite number with itself is 0, of any other NaN.
    if (value - value !== 0 && !(Number.isNaN(value) && texts?.has(i) === true))
      throw invalidField(`values/${i}`, numberRule(value));
  }
  if (texts) checkTexts(texts, batch);
}

function checkTexts(texts: ReadonlyMap<number, string>, { count, values }: PointBatch): void {
  for (const [index, text] of texts) {
    if (!(index >= 0 && index < count))
      throw invalidField("texts", `${index} is outside the ${count} points.`);
    if (!Number.isNaN(values[index]))
      throw invalidField(`values/${index}`, "It must be NaN where a text holds the value.");
    checkText(text, `texts/${index}`);
  }
}

const expired = (field: string, time: Micros, horizon: Micros): Problem => {
  const [at, from] = [time, horizon].map((micros) => new Date(micros / 1000).toISOString());
  const rule = `${at} is before ${from}, where the points of this stream begin: older ones have expired.`;
  return new Problem("expired", {
    detail: `${field}: ${rule}`,
    errors: [{ pointer: `/${field}`, detail: rule }],
    fields: { [field]: [rule] },
  });
};

/** @throws Problem `expired` */
export function checkNotExpired(field: string, time: Micros, horizon: Micros): void {
  if (time < horizon) throw expired(field, time, horizon);
}

/** @throws Problem `expired` naming the first entry that is too old */
export function checkBatchNotExpired(batch: PointBatch, door: (stream: StreamId) => Micros): void {
  for (let i = 0; i < batch.count; i++)
    checkNotExpired(`times/${i}`, batch.times[i] as number, door(batch.streams[i] as number));
}

/** @throws Problem `invalid-request` */
export function checkRange(stream: StreamId, range: TimeRange): void {
  if (!isStream(stream)) throw invalidField("stream", streamRule(stream));
  for (const [name, time] of Object.entries(range))
    if (!Number.isSafeInteger(time)) throw invalidField(name, timeRule(time));
}
