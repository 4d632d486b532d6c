import type { Noise } from "./noise.ts";
import { clockOffsetHours, localHour } from "./weather.ts";

const hour = 3_600_000;

/** 0 = nobody at home, 1 = all of them, awake. */
export function occupancyAt(time: number): number {
  const weekday = new Date(time + clockOffsetHours * hour).getUTCDay();
  const clock = localHour(time);
  if (clock < 6 || clock >= 23) return 0.3;
  if (weekday === 0 || weekday === 6) return clock < 8 ? 0.3 : 0.8;
  if (clock < 8) return 0.9;
  return clock < 16.5 ? 0.15 : 1;
}

/** A hump of height 1 around `at` o'clock. */
const around = (clock: number, at: number, widthHours: number): number =>
  Math.exp(-(((clock - at) / widthHours) ** 2));

/** What the household takes apart from the heat pump, in whole watts. */
export function householdPower(noise: Noise, time: number): number {
  const clock = localHour(time);
  const occupancy = occupancyAt(time);
  const fridge = noise.step(20, time, hour / 3) > 0.55 ? 95 : 4;
  const cooking = 900 * around(clock, 12.3, 0.6) * occupancy + 1300 * around(clock, 18.6, 0.8);
  const breakfast = 700 * around(clock, 7, 0.5);
  const evening = 260 * around(clock, 20.5, 2);
  const activity = 1 + 0.6 * noise.smooth(21, time, hour / 5);
  // A kettle, a washing machine: now and then for some minutes, when somebody is there.
  const surge = noise.step(22, time, hour / 6) < 0.12 * occupancy ? 1700 : 0;
  const used = (cooking + breakfast + evening + 150 * occupancy) * activity;
  return Math.round(140 + fridge + used + surge);
}
