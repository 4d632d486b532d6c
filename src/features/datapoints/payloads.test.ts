import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Malformed, readAnnouncement, readHeartbeat, readLog, readMessage } from "./payloads.ts";

const readers = {
  message: (payload: Uint8Array) => readMessage(payload, "value"),
  log: readLog,
  heartbeat: readHeartbeat,
  announcement: readAnnouncement,
};

const members = fc.constantFrom(
  "value",
  "timestamp",
  "msg",
  "level",
  "emitter",
  "this_heartbeats_timestamp",
  "next_heartbeats_timestamp",
  "sensor",
  "actuator",
);
const bytes = (text: string) => Buffer.from(text);
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.json().map(bytes),
  fc
    .dictionary(members, fc.oneof(fc.jsonValue(), fc.double(), fc.string({ unit: "binary" })))
    .map((value) => bytes(JSON.stringify(value))),
  fc
    .constantFrom('{"value":NaN,"timestamp":1}', '{"value":1e999,"timestamp":1}', '{"timestamp":-Infinity}')
    .map(bytes),
);

describe("whatever a connector publishes", () => {
  test.each(Object.entries(readers))("a %s is read or malformed, nothing else", (_name, read) => {
    fc.assert(
      fc.property(payload, (sent) => {
        try {
          read(sent);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("what is read can be stored: finite whole times, finite numbers or JSON text", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.double({ min: -9e12, max: 9e12, noNaN: true }), (value, timestamp) => {
        const point = readMessage(bytes(JSON.stringify({ value, timestamp })), "value");
        expect(Number.isSafeInteger(point.time)).toBe(true);
        expect(Math.abs(point.time / 1000 - timestamp)).toBeLessThan(0.002);
        if (typeof point.value === "string")
          expect(JSON.parse(point.value)).toEqual(JSON.parse(JSON.stringify(value)));
        else expect(Object.is(point.value, JSON.parse(JSON.stringify(value)))).toBe(true);
      }),
    );
  });
});
