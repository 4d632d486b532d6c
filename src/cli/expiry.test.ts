import fc from "fast-check";
import { expect, test } from "vitest";
import { OperatorError } from "../kernel/errors.ts";
import { parseExpiry } from "./expiry.ts";

const now = Date.UTC(2026, 0, 1);
const day = 86_400_000;

test.each([
  ["12h", now + day / 2],
  ["30d", now + 30 * day],
  ["2w", now + 14 * day],
  ["1y", now + 365 * day],
  ["2026-02-01", Date.UTC(2026, 1, 1)],
  ["2026-02-01T10:00:00+02:00", Date.UTC(2026, 1, 1, 8)],
])("%s", (text, expected) => {
  expect(parseExpiry(text, now)).toBe(expected);
});

test.each(["0d", "2025-12-31", "soon", "30", "30 d", "-1d", "2026-13-01", ""])("%s is refused", (text) => {
  expect(() => parseExpiry(text, now)).toThrow(OperatorError);
});

test("any other text is refused in the same way", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        expect(parseExpiry(text, now)).toBeGreaterThan(now);
      } catch (error) {
        expect(error).toBeInstanceOf(OperatorError);
      }
    }),
  );
});
