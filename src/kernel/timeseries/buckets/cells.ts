import type { Micros } from "../../time.ts";

/** Rollups are kept per cell: quarter hours and days of UTC, counted from 1970. */
export const quarterHour = 900_000_000;
export const utcDay = 86_400_000_000;
export type CellWidth = typeof quarterHour | typeof utcDay;
export const cellWidths: readonly CellWidth[] = [quarterHour, utcDay];

/**
 * The rollups of one stretch are one row of the database, so that a stream that is written all the time has a page of at
 * most 192 or 64 rows to be made anew. A stretch of quarter hours is whole days, of which day rollups are made.
 */
export const stretchOf = (width: CellWidth): Micros => (width === quarterHour ? 2 : 64) * utcDay;

/** The greatest multiple of `width` that is not after `time`: exact, as remainders are. */
export const floorTo = (width: Micros, time: Micros): Micros => {
  const rest = time % width;
  return time - (rest < 0 ? rest + width : rest);
};

export const ceilTo = (width: Micros, time: Micros): Micros => {
  const floor = floorTo(width, time);
  return floor === time ? time : floor + width;
};

/** Where the first cell and the first stretch of all begin lies before the first time that can be stored. */
export const storable = (time: Micros): Micros => Math.max(time, Number.MIN_SAFE_INTEGER);
