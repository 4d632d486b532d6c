import type { UcumLhcUtils } from "@lhncbc/ucum-lhc";
import { invalidField } from "../errors.ts";
import { powerKind, ucumCode } from "./spellings.ts";

type Library = ReturnType<(typeof UcumLhcUtils)["getInstance"]>;

/** wanted = scale × given + shift; scale is greater than 0. Differences take the scale only. */
export interface Conversion {
  readonly scale: number;
  readonly shift: number;
}

export const same: Conversion = { scale: 1, shift: 0 };

let loading: Promise<Library> | undefined;

/** Loaded when the first unit is to be converted: it takes 50 ms and 12 MB. */
function library(): Promise<Library> {
  loading ??= import("@lhncbc/ucum-lhc").then(({ UcumLhcUtils }) => UcumLhcUtils.getInstance());
  return loading;
}

const shown = (unit: string): string => (unit === "" ? "(none)" : JSON.stringify(unit.slice(0, 60)));

/** @throws Problem `invalid-request` for a text that is no unit */
export async function checkUnit(unit: string, field = "unit"): Promise<void> {
  if (!isKnown(await library(), unit))
    throw invalidField(
      field,
      `${shown(unit)} is no unit known here. Write it as in UCUM or as usual: "kWh", "W/m2", "°C", "%", "m3/h".`,
    );
}

const isKnown = (units: Library, unit: string): boolean => {
  const code = ucumCode(unit);
  // At blanks the library writes to the console.
  return /^[^\s]{1,60}$/.test(code) && units.validateUnitString(code).status === "valid";
};

/** How to come from one unit to the other; undefined when they measure different things, or one is not known. */
export async function conversion(from: string, to: string): Promise<Conversion | undefined> {
  if (from === to) return same;
  if (from === "" || powerKind(from) !== powerKind(to)) return undefined;
  return between(await library(), ucumCode(from), ucumCode(to));
}

/** From an integral of the unit over hours (kW over h) to a unit of its own (kWh). */
export async function integralConversion(from: string, to: string): Promise<Conversion | undefined> {
  if (from === "" || powerKind(from) !== powerKind(to)) return undefined;
  const found = between(await library(), `(${ucumCode(from)}).h`, ucumCode(to));
  return found?.shift === 0 ? found : undefined;
}

const probe = 1000;

/** The library converts numbers only: two of them give the line, a third one shows that it is one. */
function between(units: Library, from: string, to: string): Conversion | undefined {
  if (from === to) return same;
  const at = (value: number): number => {
    const { status, toVal } = units.convertUnitTo(from, value, to);
    return status === "succeeded" && toVal !== null ? toVal : Number.NaN;
  };
  const zero = at(0);
  const scale = snap((at(probe) - zero) / probe);
  const shift = snap(zero, scale * probe);
  const straight = Math.abs(at(probe / 2) - (scale * (probe / 2) + shift)) <= 1e-9 * Math.abs(scale * probe);
  return straight && scale > 0 && Number.isFinite(scale) ? { scale, shift } : undefined;
}

/** Takes off what the library's arithmetic has added in the last digits: 1.7999999999999 is 1.8. */
function snap(value: number, size = value): number {
  const short = Number(value.toPrecision(12));
  const rounded = Math.abs(value) < 1e-12 * Math.abs(size) ? 0 : short;
  return Math.abs(value - rounded) <= 4e-15 * Math.max(Math.abs(value), Math.abs(size)) ? rounded : value;
}

/** 15 digits: more than a conversion can know, and 21.5 °C is 70.7 °F rather than 70.70000000000002. */
export const rounded = (value: number): number => Number(value.toPrecision(15));

/** The unit of an integral over hours: kWh for kW, m3 for m3/h, °C·h for °C. */
export function timesHours(unit: string): string {
  if (unit === "") return "h";
  if (/\/\s*h$/.test(unit)) return unit.replace(/\s*\/\s*h$/, "");
  if (/^[kMG]?(W|VA|var)$/.test(unit)) return `${unit}h`;
  const perArea = /^([kMG]?W)(\/[^/]+)$/.exec(unit);
  return perArea ? `${perArea[1]}h${perArea[2]}` : `${unit}·h`;
}
