import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../errors.ts";
import { type Interval, intervalText, parseInterval } from "./interval.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const fixed = (width: number): Interval => ({ kind: "fixed", width });
const days = (count: number): Interval => ({ kind: "civil", unit: "day", count });
const months = (count: number): Interval => ({ kind: "civil", unit: "month", count });

describe("parseInterval", () => {
  it.each<[string, Interval]>([
    ["15 minutes", fixed(15 * minute)],
    ["15minutes", fixed(15 * minute)],
    [" 15 MINUTES ", fixed(15 * minute)],
    ["@ 1 hour 30 mins", fixed(90 * minute)],
    ["1 hour, 30 minutes", fixed(90 * minute)],
    ["1 day 2 hours", fixed(26 * hour)],
    ["1 day 02:00:00", fixed(26 * hour)],
    ["00:15:00", fixed(15 * minute)],
    ["00:15", fixed(15 * minute)],
    ["100:00:00.5", fixed(100 * hour + 500_000)],
    ["1.5 hours", fixed(90 * minute)],
    ["0.1 s", fixed(100_000)],
    ["250 ms", fixed(250_000)],
    ["1 microsecond", fixed(1)],
    ["900", fixed(15 * minute)],
    ["1 day", days(1)],
    ["24 hours", fixed(24 * hour)],
    ["2 weeks 1 day", days(15)],
    ["1.5 days", fixed(36 * hour)],
    ["1 mon", months(1)],
    ["1 year 6 months", months(18)],
    ["0.5 years", months(6)],
    ["1 quarter", months(3)],
    ["PT15M", fixed(15 * minute)],
    ["pt15m", fixed(15 * minute)],
    ["PT0.5H", fixed(30 * minute)],
    ["PT1,5S", fixed(1_500_000)],
    ["P1DT2H", fixed(26 * hour)],
    ["P1D", days(1)],
    ["P2W", days(14)],
    ["P1M", months(1)],
    ["P1Y", months(12)],
    ["P1Y6M", months(18)],
    ["15m", fixed(15 * minute)],
    ["1h", fixed(hour)],
    ["1h30m", fixed(90 * minute)],
    ["1d", days(1)],
    ["1w", days(7)],
    ["1mo", months(1)],
    ["1q", months(3)],
    ["1y", months(12)],
    ["+1h", fixed(hour)],
  ])("reads %s", (text, interval) => {
    expect(parseInterval(text)).toEqual(interval);
  });

  it.each<[string, RegExp]>([
    ["", /is not an interval/],
    ["-", /is negative/],
    ["@", /is not an interval/],
    ["hourly", /is not an interval/],
    ["15 fortnights", /is not an interval/],
    ["15 minutes2", /is not an interval/],
    ["1 day 30", /is not an interval/],
    ["P", /is not an interval/],
    ["PT", /is not an interval/],
    ["P1DT", /is not an interval/],
    ["PT15", /is not an interval/],
    ["P15", /is not an interval/],
    ["00:61:00", /is not an interval/],
    ["1e3 s", /is not an interval/],
    ["NaN", /is not an interval/],
    ["infinity", /is not an interval/],
    ["0", /shorter than a microsecond/],
    ["0 minutes", /shorter than a microsecond/],
    ["PT0S", /shorter than a microsecond/],
    ["0.0000001 s", /shorter than a microsecond/],
    ["-15 minutes", /negative/],
    ["1 day -2 hours", /negative/],
    ["15 minutes ago", /negative/],
    ["PT-15M", /negative/],
    ["-P1D", /negative/],
    ["1M", /minutes or months/],
    ["101 years", /longer than 100 years/],
    ["999999999999999 weeks", /longer than 100 years/],
    ["1 mon 1 day", /mixes months/],
    ["1.5 months", /whole number of months/],
    ["1 day ".repeat(20), /too long/],
  ])("refuses %j", (text, rule) => {
    expect(() => parseInterval(text, "frequency")).toThrow(rule);
    try {
      parseInterval(text, "frequency");
    } catch (error) {
      const problem = error as Problem;
      expect(problem).toBeInstanceOf(Problem);
      expect(problem.code).toBe("invalid-request");
      expect(problem.message).toContain(JSON.stringify(text.slice(0, 60)));
      expect(problem.message).toContain("'15 minutes'");
      expect(problem.fields).toHaveProperty("frequency");
    }
  });

  const anyInterval = fc.oneof(
    fc.integer({ min: 1, max: 3_000_000_000_000_000 }).map(fixed),
    fc.integer({ min: 1, max: 36_000 }).map(days),
    fc.integer({ min: 1, max: 1200 }).map(months),
  );

  it("reads back what intervalText writes", () => {
    fc.assert(
      fc.property(anyInterval, (interval) => {
        expect(parseInterval(intervalText(interval))).toEqual(interval);
      }),
    );
  });

  it("adds up parts as Temporal does", () => {
    const part = fc.option(fc.nat({ max: 400 }), { nil: undefined });
    fc.assert(
      fc.property(part, part, part, part, (d, hours, minutes, seconds) => {
        fc.pre((hours ?? minutes ?? seconds) !== undefined);
        const fields = [
          [d, "d"],
          [hours, "h"],
          [minutes, "m"],
          [seconds, "s"],
        ] as const;
        const words = fields.flatMap(([count, unit]) => (count === undefined ? [] : [`${count}${unit}`]));
        const duration = Temporal.Duration.from({
          days: d ?? 0,
          hours: hours ?? 0,
          minutes: minutes ?? 0,
          seconds: seconds ?? 0,
        });
        const micros = duration.total("microseconds");
        fc.pre(micros > 0 && duration.total("seconds") % 86_400 !== 0);
        expect(parseInterval(words.join(" "))).toEqual(fixed(micros));
        expect(parseInterval(duration.toString())).toEqual(fixed(micros));
      }),
    );
  });

  it("answers any text with an interval or a problem", () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 120 }),
      fc
        .array(fc.constantFrom("P", "T", "1", "0", ".", ":", " ", "-", "M", "m", "day", "h", "W", ","), {
          maxLength: 12,
        })
        .map((letters) => letters.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const interval = parseInterval(text);
          const width = interval.kind === "fixed" ? interval.width : interval.count;
          expect(Number.isSafeInteger(width) && width > 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
