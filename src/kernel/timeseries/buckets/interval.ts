import { invalidField } from "../../errors.ts";
import type { Micros } from "../../time.ts";

/**
 * The width of a bucket. Weeks are 7 days, quarters and years 3 and 12 months: from the origins of edges.ts that
 * gives ISO weeks, calendar quarters and calendar years. A civil interval follows the calendar of a zone; in UTC
 * a civil day is the same as a fixed one of 24 hours.
 */
export type Interval =
  | { readonly kind: "fixed"; readonly width: Micros }
  | { readonly kind: "civil"; readonly unit: "day" | "month"; readonly count: number };

export const acceptedIntervals =
  "Accepted are PostgreSQL intervals ('15 minutes', '1 day 02:00:00', '1 mon'), " +
  "ISO 8601 durations ('PT15M', 'P1D', 'P1M') and short forms ('15m', '1h', '1d', '1w', '1mo', '1y').";

const second = 1_000_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
/** The longest interval, in years: as microseconds it is still a safe integer. */
const maxYears = 100;

interface Unit {
  readonly months?: number;
  readonly days?: number;
  readonly micros?: number;
}

const named: readonly (readonly [Unit, string])[] = [
  [{ micros: 1 }, "us usec usecs usecond useconds microsecond microseconds"],
  [{ micros: 1000 }, "ms msec msecs msecond mseconds millisecond milliseconds"],
  [{ micros: second }, "s sec secs second seconds"],
  [{ micros: minute }, "m min mins minute minutes"],
  [{ micros: hour }, "h hr hrs hour hours"],
  [{ days: 1 }, "d day days"],
  [{ days: 7 }, "w week weeks"],
  [{ months: 1 }, "mo mon mons month months"],
  [{ months: 3 }, "q qtr qtrs quarter quarters"],
  [{ months: 12 }, "y yr yrs year years"],
];
const units = new Map(
  named.flatMap(([unit, names]) => names.split(" ").map((name) => [name, unit] as const)),
);

const isoDate: readonly Unit[] = [{ months: 12 }, { months: 1 }, { days: 7 }, { days: 1 }];
const isoTime: readonly Unit[] = [{ micros: hour }, { micros: minute }, { micros: second }];

const number = String.raw`(\d{1,15}(?:[.,]\d{1,12})?)`;
const isoPart = (letters: string): string => [...letters].map((letter) => `(?:${number}${letter})?`).join("");
const iso = new RegExp(`^P${isoPart("YMWD")}(?:T(?=\\d)${isoPart("HMS")})?$`, "i");
const clock = /^(\d{1,9}):([0-5]?\d)(?::([0-5]?\d(?:\.\d{1,12})?))?$/;
const quantity = new RegExp(`^\\+?${number}\\s*([a-z]+)`, "i");

interface Parts {
  months: number;
  days: number;
  micros: number;
}

/**
 * Reads '15 minutes', '1 day 2 hours', '00:15:00', '1 mon', 'PT15M', 'P2W', '15m', and a bare number as seconds, as
 * PostgreSQL does. Days mixed with hours, and parts of days, are of fixed width.
 * @throws Problem `invalid-request` naming `field`, the value, and what is accepted
 */
export const parseInterval = (text: string, field = "interval"): Interval => {
  const refuse = (rule: string): never => {
    throw invalidField(field, `${JSON.stringify(text.slice(0, 60))} ${rule} ${acceptedIntervals}`);
  };
  const trimmed = text.trim();
  if (trimmed.length > 100) return refuse("is too long to be an interval.");
  if (/^P?T?-|[\s\d]-\d|\bago$/i.test(trimmed)) return refuse("is negative; a bucket has a positive width.");
  if (/(^|\d)\s*M$/.test(trimmed) && !/^P/i.test(trimmed)) {
    return refuse("may mean minutes or months: write '15m' or '15 min', and '1mo' or '1 mon'.");
  }
  const parts = isoParts(trimmed) ?? wordParts(trimmed);
  if (parts === undefined) return refuse("is not an interval.");
  return intervalOf(parts, refuse);
};

const intervalOf = ({ months, days, micros }: Parts, refuse: (rule: string) => never): Interval => {
  const fixed = Math.round(days * day + micros);
  if (months === 0 && fixed === 0) return refuse("is shorter than a microsecond.");
  if (months > maxYears * 12 || fixed > maxYears * 366 * day)
    return refuse(`is longer than ${maxYears} years.`);
  if (months === 0) {
    const whole = Number.isInteger(days) && micros === 0;
    return whole ? { kind: "civil", unit: "day", count: days } : { kind: "fixed", width: fixed };
  }
  if (fixed > 0) return refuse("mixes months with shorter units, which have no common width.");
  if (!Number.isInteger(months)) return refuse("is not a whole number of months.");
  return { kind: "civil", unit: "month", count: months };
};

const add = (parts: Parts, unit: Unit, digits: string): void => {
  const count = Number(digits.replace(",", "."));
  parts.months += count * (unit.months ?? 0);
  parts.days += count * (unit.days ?? 0);
  parts.micros += count * (unit.micros ?? 0);
};

const isoParts = (text: string): Parts | undefined => {
  const match = iso.exec(text);
  if (match === null || match.slice(1).every((digits) => digits === undefined)) return undefined;
  const parts: Parts = { months: 0, days: 0, micros: 0 };
  for (const [i, unit] of [...isoDate, ...isoTime].entries()) {
    const digits = match[i + 1];
    if (digits !== undefined) add(parts, unit, digits);
  }
  return parts;
};

const wordParts = (text: string): Parts | undefined => {
  const parts: Parts = { months: 0, days: 0, micros: 0 };
  if (/^\+?\d{1,15}(\.\d{1,12})?$/.test(text)) {
    add(parts, { micros: second }, text);
    return parts;
  }
  let rest = text.replace(/^@\s*/, "");
  if (rest === "") return undefined;
  while (rest !== "") {
    const time = clock.exec(rest);
    if (time !== null) {
      const [, hours = "0", minutes = "0", seconds = "0"] = time;
      parts.micros += Number(hours) * hour + Number(minutes) * minute + Number(seconds) * second;
      return parts;
    }
    const match = quantity.exec(rest);
    const unit = units.get(match?.[2]?.toLowerCase() ?? "");
    if (match === null || unit === undefined) return undefined;
    add(parts, unit, match[1] ?? "");
    rest = rest.slice(match[0].length).replace(/^[\s,]+/, "");
  }
  return parts;
};

/** The ISO 8601 form: `PT900S`, `P7D`, `P3M`; `parseInterval` gives the same interval back. */
export const intervalText = (interval: Interval): string => {
  if (interval.kind === "civil") return `P${interval.count}${interval.unit === "day" ? "D" : "M"}`;
  const seconds = Math.floor(interval.width / second);
  const fraction = interval.width % second;
  return `PT${seconds}${fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`}S`;
};
