import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketIndex, edgesBetween } from "./edges.ts";
import type { Interval } from "./interval.ts";

/** BUSBAR_PROOF_ZONES=all walks every minute around every transition of every zone; without it, a share of them. */
const long = process.env["BUSBAR_PROOF_ZONES"] === "all";

const minute = 60_000_000;
const day = 1440 * minute;

const civil = (unit: "day" | "month", count = 1): Interval => ({ kind: "civil", unit, count });
const at = (text: string): number => Temporal.Instant.from(text).epochMilliseconds * 1000;
const zonedAt = (time: number, zone: string): Temporal.ZonedDateTime =>
  new Temporal.Instant(BigInt(time) * 1000n).toZonedDateTimeISO(zone);

/** All transitions of the zone in 2000–2040, by Temporal. */
const transitions = (zone: string): number[] => {
  const found: number[] = [];
  let next = zonedAt(at("2000-01-01T00:00Z"), zone).getTimeZoneTransition("next");
  while (next !== null && next.year <= 2040) {
    found.push(next.epochMilliseconds * 1000);
    next = next.getTimeZoneTransition("next");
  }
  return found;
};

interface Rule {
  readonly interval: Interval;
  /** The calendar's own number of the bucket for a date, from Temporal's calendar arithmetic. */
  numberOf(date: Temporal.PlainDate): number;
}

const monday = Temporal.PlainDate.from("2000-01-03");
const january = Temporal.PlainDate.from("2000-01-01");
const daysFrom = (date: Temporal.PlainDate): number => monday.until(date, { largestUnit: "days" }).days;
const monthsFrom = (date: Temporal.PlainDate): number =>
  january.until(date.with({ day: 1 }), { largestUnit: "months" }).months;
const rules: readonly Rule[] = [
  { interval: civil("day"), numberOf: daysFrom },
  { interval: civil("day", 2), numberOf: (date) => Math.floor(daysFrom(date) / 2) },
  { interval: civil("day", 7), numberOf: (date) => Math.floor(daysFrom(date) / 7) },
  { interval: civil("month"), numberOf: monthsFrom },
];

interface Sighting {
  readonly time: number;
  readonly date: Temporal.PlainDate;
}

/** Where the date rises to a new height while one walks from `from` to `to`, and the date one starts with. */
const walk = (zone: string, from: number, to: number, step: number): Sighting[] => {
  const seen: Sighting[] = [];
  for (let time = from; time < to; time += step) {
    const date = zonedAt(time, zone).toPlainDate();
    const highest = seen[seen.length - 1]?.date;
    if (highest === undefined || Temporal.PlainDate.compare(date, highest) > 0) seen.push({ time, date });
  }
  return seen;
};

const expectWalked = (zone: string, middle: number, step: number, checked: readonly Rule[]): void => {
  const range = { from: middle - day, to: middle + day };
  // The walk begins a day earlier, so that a repeated hour at its start is seen for what it is.
  const seen = walk(zone, range.from - day, range.to, step);
  for (const rule of checked) {
    const numbers = seen.map(({ date }) => rule.numberOf(date));
    const walked = seen.filter(
      ({ time }, i) => time > range.from && (numbers[i] ?? 0) > (numbers[i - 1] ?? 0),
    );
    const edges = edgesBetween(rule.interval, zone, range);
    expect(edges[0]).toBeLessThanOrEqual(range.from);
    expect(edges[edges.length - 1]).toBeGreaterThanOrEqual(range.to);
    const inside = [...edges].filter((edge) => edge > range.from && edge < range.to);
    expect(inside, `${zone} at ${zonedAt(middle, zone)}`).toEqual(walked.map(({ time }) => time));
  }
};

describe("every zone's transitions from 2000 to 2040", () => {
  const zones = Intl.supportedValuesOf("timeZone");

  it("agree with a walk in Temporal", { timeout: long ? 0 : 120_000 }, () => {
    let checked = 0;
    for (const [z, zone] of zones.entries()) {
      for (const [i, middle] of transitions(zone).entries()) {
        // Every transition of a zone falls into one of 16 shares.
        if (!long && (i + z) % 16 !== 0) continue;
        // No transition since 2000 lies off the minute; five divide all but those of St. John's at 00:01.
        const step = long || zone === "America/St_Johns" ? minute : 15 * minute;
        const aligned = Math.floor(middle / (15 * minute)) * 15 * minute;
        expectWalked(zone, aligned, step, rules);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(long ? 10_000 : 500);
  });

  it("agree with Temporal's start of day, month by month", () => {
    for (const [z, zone] of zones.entries()) {
      const [from, to] = [at("2000-01-01T00:00Z"), at("2040-01-01T00:00Z")];
      const edges = edgesBetween(civil("month"), zone, { from, to });
      const start = january.subtract({ months: 1 });
      const expected = new Set(
        Array.from(
          { length: 483 },
          (_, m) => start.add({ months: m }).toZonedDateTime(zone).epochMilliseconds * 1000,
        ),
      );
      for (const edge of edges) expect(expected.has(edge), `${zone} ${edge}`).toBe(true);
      expect(edges.length).toBeGreaterThanOrEqual(481);
      if (!long && z % 8 !== 0) continue;
      const daily = edgesBetween(civil("day"), zone, { from, to: from + 400 * day });
      for (let d = 0; d + 1 < daily.length; d++) {
        const date = zonedAt(daily[d] ?? 0, zone).toPlainDate();
        expect(daily[d]).toBe(date.toZonedDateTime(zone).epochMilliseconds * 1000);
      }
    }
  });

  it("place any instant in the bucket of its date", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: at("1900-01-01T00:00Z"), max: at("2200-01-01T00:00Z") }),
        fc.integer({ min: 1, max: 100 * day }),
        (zone, from, length) => {
          const edges = edgesBetween(civil("day"), zone, { from, to: from + length });
          for (const [i, edge] of edges.entries()) {
            if (i > 0) expect(edge).toBeGreaterThan(edges[i - 1] ?? Number.NaN);
          }
          expect(bucketIndex(edges, from)).toBe(0);
          expect(bucketIndex(edges, from + length - 1)).toBe(edges.length - 2);
          expect(bucketIndex(edges, (edges[0] ?? 0) - 1)).toBe(-1);
        },
      ),
      { numRuns: 300 },
    );
  });
});
