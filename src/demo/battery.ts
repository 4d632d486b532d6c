import { clamp } from "./noise.ts";

export type BatteryMode = "auto" | "charge" | "discharge" | "hold";

export const batteryModes: readonly BatteryMode[] = ["auto", "charge", "discharge", "hold"];

/** Watt-hours. */
export const batteryCapacity = 10_000;
/** Of what goes in, this part can be taken out again. */
export const chargeEfficiency = 0.94;
const reserve = 0.05 * batteryCapacity;

export interface BatteryInput {
  readonly mode: BatteryMode;
  /** Watts, both ways. */
  readonly maxPower: number;
  /** Watt-hours. */
  readonly stored: number;
  /** PV less loads, watts. */
  readonly surplus: number;
  readonly hours: number;
}

/** Whole watts, positive while it charges. Towards zero, so that no limit is passed. */
export function batteryPower({ mode, maxPower, stored, surplus, hours }: BatteryInput): number {
  const room = Math.max(0, (batteryCapacity - stored) / chargeEfficiency / hours);
  const left = Math.max(0, (stored - reserve) / hours);
  const wanted = { auto: surplus, charge: maxPower, discharge: -maxPower, hold: 0 }[mode];
  return Math.trunc(clamp(wanted, -Math.min(maxPower, left), Math.min(maxPower, room))) + 0;
}

export const storedAfter = (stored: number, power: number, hours: number): number =>
  clamp(stored + power * hours * (power > 0 ? chargeEfficiency : 1), 0, batteryCapacity);
