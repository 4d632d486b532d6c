import fc from "fast-check";
import { expect, test } from "vitest";
import { zoneOffsets } from "../../kernel/timeseries/buckets/zones.ts";
import { readInstant, rfc3339 } from "./instants.ts";

const limit = Number.MAX_SAFE_INTEGER - 1;
const time = fc.oneof(
  fc.integer({ min: -limit, max: limit }),
  fc.integer({ min: Date.UTC(1970, 0), max: Date.UTC(2040, 0) }).map((millis) => millis * 1000),
);
const zone = fc.constantFrom(
  "UTC",
  "Europe/Berlin",
  "Asia/Kathmandu",
  "America/St_Johns",
  "Pacific/Apia",
  "Africa/Monrovia",
  "+05:30",
);

test("what is written is read back, in any zone", () => {
  fc.assert(
    fc.property(time, zone, (micros, name) => {
      const text = rfc3339(micros, zoneOffsets(name, micros, micros));
      expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/);
      expect(readInstant("from", text, "UTC")).toBe(micros);
      expect(BigInt(micros) * 1000n).toBe(Temporal.Instant.from(text).epochNanoseconds);
    }),
  );
});

test.each([
  ["2024-03-31T02:30", "Europe/Berlin", "2024-03-31T01:30:00Z"],
  ["2024-10-27T02:30", "Europe/Berlin", "2024-10-27T00:30:00Z"],
  ["2024-03-31", "Europe/Berlin", "2024-03-30T23:00:00Z"],
  ["2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"],
  ["2024-01-01t00:00z", "UTC", "2024-01-01T00:00:00Z"],
  ["2024-01-01 00:00:00.123456789 -0530", "UTC", "2024-01-01T05:30:00.123456Z"],
  ["2024-01-01T00:00+01", "UTC", "2023-12-31T23:00:00Z"],
  [" 1704067200000.5 ", "UTC", "2024-01-01T00:00:00.0005Z"],
  ["-1", "UTC", "1969-12-31T23:59:59.999Z"],
])("%s in %s is %s", (text, name, expected) => {
  expect(rfc3339(readInstant("from", text, name), zoneOffsets("UTC", 0, 0))).toBe(expected);
});

test("any text is an instant or refused", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^\d{0,5}[-T:Z+ .\d]{0,30}$/));
  fc.assert(
    fc.property(text, zone, (given, name) => {
      try {
        expect(Number.isSafeInteger(readInstant("from", given, name))).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ status: 400, fields: { from: expect.anything() } });
      }
    }),
  );
});
