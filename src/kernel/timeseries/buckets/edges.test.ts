import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../errors.ts";
import { type EdgeOptions, edgesBetween, fixedEdge, origin } from "./edges.ts";
import type { Interval } from "./interval.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const day = 24 * hour;

const civil = (unit: "day" | "month", count = 1): Interval => ({ kind: "civil", unit, count });
const at = (text: string): number => Temporal.Instant.from(text).epochMilliseconds * 1000;
const shown = (edges: Float64Array, zone: string): string[] =>
  [...edges].map((edge) => zonedAt(edge, zone).toPlainDateTime().toString());
const zonedAt = (time: number, zone: string): Temporal.ZonedDateTime =>
  new Temporal.Instant(BigInt(time) * 1000n).toZonedDateTimeISO(zone);

const between = (
  interval: Interval,
  zone: string,
  from: string,
  to: string,
  options?: EdgeOptions,
): Float64Array => edgesBetween(interval, zone, { from: at(from), to: at(to) }, options);

describe("civil edges", () => {
  it("follow days of 23 and 25 hours", () => {
    const spring = between(civil("day"), "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-30T12:00Z");
    expect(shown(spring, "Europe/Berlin")).toEqual([
      "2026-03-28T00:00:00",
      "2026-03-29T00:00:00",
      "2026-03-30T00:00:00",
      "2026-03-31T00:00:00",
    ]);
    expect((spring[2] ?? 0) - (spring[1] ?? 0)).toBe(23 * hour);
    const autumn = between(civil("day"), "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-25T12:01Z");
    expect((autumn[1] ?? 0) - (autumn[0] ?? 0)).toBe(25 * hour);
  });

  it("start a day without midnight when its clock starts", () => {
    const edges = between(civil("day"), "America/Sao_Paulo", "2018-11-03T12:00Z", "2018-11-05T12:00Z");
    expect(shown(edges, "America/Sao_Paulo")[1]).toBe("2018-11-04T01:00:00");
  });

  it("have no bucket for a day that a zone skipped", () => {
    const edges = between(civil("day"), "Pacific/Apia", "2011-12-29T12:00Z", "2011-12-31T12:00Z");
    expect(shown(edges, "Pacific/Apia")).toEqual([
      "2011-12-29T00:00:00",
      "2011-12-31T00:00:00",
      "2012-01-01T00:00:00",
      "2012-01-02T00:00:00",
    ]);
  });

  it("count a midnight that comes twice when it comes first", () => {
    // At 00:01 on 2010-11-07 the clocks of St. John's went back to 23:01 of the day before.
    const edges = between(civil("day"), "America/St_Johns", "2010-11-07T03:00Z", "2010-11-07T04:00Z");
    expect(shown(edges, "America/St_Johns")).toEqual(["2010-11-07T00:00:00", "2010-11-08T00:00:00"]);
    expect((edges[1] ?? 0) - (edges[0] ?? 0)).toBe(25 * hour);
  });

  it("start weeks on Monday, quarters and years in January", () => {
    const week = between(civil("day", 7), "Asia/Tokyo", "2026-01-01T12:00Z", "2026-01-01T13:00Z");
    expect(shown(week, "Asia/Tokyo")).toEqual(["2025-12-29T00:00:00", "2026-01-05T00:00:00"]);
    const quarter = between(civil("month", 3), "Asia/Tokyo", "1999-05-01T12:00Z", "1999-08-01T13:00Z");
    expect(shown(quarter, "Asia/Tokyo")).toEqual([
      "1999-04-01T00:00:00",
      "1999-07-01T00:00:00",
      "1999-10-01T00:00:00",
    ]);
    const year = between(civil("month", 12), "Asia/Tokyo", "1995-05-01T12:00Z", "1995-08-01T13:00Z");
    expect(shown(year, "Asia/Tokyo")).toEqual(["1995-01-01T00:00:00", "1996-01-01T00:00:00"]);
  });

  it("move with an offset on the wall clock", () => {
    const edges = between(civil("day"), "Europe/Berlin", "2026-03-29T00:30Z", "2026-03-29T12:00Z", {
      offset: 6 * hour,
    });
    expect(shown(edges, "Europe/Berlin")).toEqual([
      "2026-03-28T06:00:00",
      "2026-03-29T06:00:00",
      "2026-03-30T06:00:00",
    ]);
  });

  it("are those of the fixed width in UTC", () => {
    const range = fc.tuple(fc.integer({ min: -2e15, max: 6e15 }), fc.integer({ min: 1, max: 1e14 }));
    fc.assert(
      fc.property(range, fc.integer({ min: 1, max: 40 }), ([from, length], count) => {
        const asked = { from, to: from + length };
        const fixed = edgesBetween({ kind: "fixed", width: count * day }, "UTC", asked);
        expect(edgesBetween(civil("day", count), "UTC", asked)).toEqual(fixed);
      }),
    );
  });
});

describe("fixed edges", () => {
  it("agree with exact arithmetic", () => {
    const widths = fc.oneof(fc.integer({ min: 1, max: 3e15 }), fc.constantFrom(1, minute, hour, 7 * day));
    const times = fc.integer({ min: Number.MIN_SAFE_INTEGER + 3e15, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(widths, times, fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), (width, time, offset) => {
        const [w, start] = [BigInt(width), BigInt(origin) + BigInt(offset)];
        const rest = (((BigInt(time) - start) % w) + w) % w;
        expect(fixedEdge(width, time, offset)).toBe(Number(BigInt(time) - rest));
      }),
      { numRuns: 1000 },
    );
  });

  it("cover the range and nothing else", () => {
    const edges = between({ kind: "fixed", width: hour }, "UTC", "2026-01-01T00:30Z", "2026-01-01T03:00Z");
    expect(shown(edges, "UTC")).toEqual([
      "2026-01-01T00:00:00",
      "2026-01-01T01:00:00",
      "2026-01-01T02:00:00",
      "2026-01-01T03:00:00",
    ]);
    expect(edgesBetween({ kind: "fixed", width: hour }, "UTC", { from: 5, to: 5 })).toHaveLength(0);
  });
});

describe("refusals", () => {
  const range = { from: 0, to: 365 * day };

  it.each<[string, () => unknown, RegExp]>([
    ["an unknown zone", () => edgesBetween(civil("day"), "Mars/Olympus", range), /zone: "Mars\/Olympus"/],
    ["an empty zone", () => edgesBetween(civil("day"), "", range), /zone: ""/],
    ["a date for a zone", () => edgesBetween(civil("day"), "2020-01-01T00:00[UTC]", range), /zone: "2020/],
    [
      "too many buckets",
      () => edgesBetween({ kind: "fixed", width: 1 }, "UTC", range),
      /31536000000000 buckets/,
    ],
    [
      "too many days",
      () => edgesBetween(civil("day"), "UTC", range, { limit: 364 }),
      /P1D makes 365 buckets/,
    ],
    [
      "an offset of a day",
      () => edgesBetween(civil("day"), "UTC", range, { offset: day }),
      /less than a day/,
    ],
    [
      "times out of reach",
      () =>
        edgesBetween(civil("month"), "UTC", {
          from: Number.MAX_SAFE_INTEGER - 1,
          to: Number.MAX_SAFE_INTEGER,
        }),
      /1685 to 2255/,
    ],
  ])("names %s", (_, ask, rule) => {
    expect(ask).toThrow(Problem);
    expect(ask).toThrow(rule);
  });

  it("takes a zone in any case, and an offset", () => {
    const berlin = edgesBetween(civil("day"), "Europe/Berlin", range);
    expect(edgesBetween(civil("day"), "europe/berlin", range)).toEqual(berlin);
    expect(edgesBetween(civil("day"), "+05:30", { from: 0, to: 1 })[0]).toBe(-5.5 * hour);
  });
});
