/**
 * Instants are integers: milliseconds on the datapoints wire and in metadata tables, microseconds in the
 * time-series store (a safe integer until the year 2255).
 */

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number;
/** Microseconds since 1970-01-01T00:00:00Z. */
export type Micros = number;

export const microsFromMillis = (millis: Millis): Micros => Math.round(millis * 1000);
/** Rounds half up to whole milliseconds, as the datapoints wire shows them. */
export const millisFromMicros = (micros: Micros): Millis => Math.round(micros / 1000);

/** The only source of 'now', so that tests can fix it. */
export interface Clock {
  now(): Millis;
}

export const systemClock: Clock = { now: () => Date.now() };
