import { OperatorError } from "../kernel/errors.ts";

/** A day of UTC, `2026-08-01`. */
export type Day = string;

const dayMs = 86_400_000;

/** @throws OperatorError when it is not a date */
export function parseDay(option: string, text: string): Day {
  const start = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(start) && dayOf(start) === text) return text;
  throw new OperatorError(`${option} ${text}: it must be a date like 2026-08-31.`);
}

/** @param time milliseconds UTC */
export const dayOf = (time: number): Day => new Date(time).toISOString().slice(0, 10);

/** Milliseconds UTC of the day's first instant. */
export const startOf = (day: Day): number => Date.parse(`${day}T00:00:00Z`);

/** The first instant of the next day. */
export const endOf = (day: Day): number => startOf(day) + dayMs;

export const yesterday = (now: number): Day => dayOf(now - dayMs);

export const countDays = (first: Day, last: Day): number =>
  Math.max(0, Math.round((endOf(last) - startOf(first)) / dayMs));

/** From the first to the last, both included. */
export function* eachDay(first: Day, last: Day): Generator<Day> {
  for (let start = startOf(first); start <= startOf(last); start += dayMs) yield dayOf(start);
}
