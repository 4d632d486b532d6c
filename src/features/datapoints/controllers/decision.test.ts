import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, itemAt, nextChange, type Situation, type TimedItem, timedItems } from "./decision.ts";

/** The documented table, row by row: the first whose condition holds decides. */
const table: readonly {
  readonly when: (situation: Situation) => boolean;
  readonly use: "nothing" | "setpoint" | "schedule";
}[] = [
  { when: ({ setpoint, schedule }) => !setpoint && !schedule, use: "nothing" },
  { when: ({ schedule }) => !schedule, use: "setpoint" },
  { when: ({ setpoint }) => !setpoint, use: "schedule" },
  {
    when: ({ setpoint }) => setpoint?.accepted === undefined && setpoint?.bounds === undefined,
    use: "setpoint",
  },
  { when: ({ setpoint }) => setpoint?.accepted === null && !isBounded(setpoint), use: "schedule" },
  {
    when: ({ setpoint, sensor }) => Array.isArray(setpoint?.accepted) && (sensor ?? null) === null,
    use: "schedule",
  },
  {
    when: ({ setpoint, sensor }) =>
      (setpoint?.accepted ?? []).some((entry) => entry === sensor || String(entry) === String(sensor)),
    use: "schedule",
  },
  { when: ({ setpoint }) => Array.isArray(setpoint?.accepted), use: "setpoint" },
  { when: ({ sensor }) => typeof sensor !== "number", use: "schedule" },
  { when: ({ setpoint, sensor }) => Number(sensor) < (setpoint?.bounds?.min ?? -Infinity), use: "setpoint" },
  { when: ({ setpoint, sensor }) => Number(sensor) > (setpoint?.bounds?.max ?? Infinity), use: "setpoint" },
  { when: () => true, use: "schedule" },
];

const isBounded = (item: TimedItem | undefined): boolean =>
  typeof item?.bounds?.min === "number" || typeof item?.bounds?.max === "number";

const sensor = fc.constantFrom<unknown>(undefined, null, 19, 20, 20.5, 25, "on", "off", true);
const bound = fc.constantFrom(null, 19, 20, 21);
const setpoint: fc.Arbitrary<TimedItem> = fc
  .record(
    {
      accepted: fc.option(
        fc.array(fc.constantFrom<unknown>("20", 25, "on", "true", null, ""), { maxLength: 3 }),
      ),
      bounds: fc.record({ min: bound, max: bound }),
    },
    { requiredKeys: [] },
  )
  .map((range) => ({ from: null, to: null, value: "preferred", ...range }));
const schedule: TimedItem = { from: null, to: null, value: "planned" };

test("a decision is the table's", () => {
  fc.assert(
    fc.property(
      fc.option(setpoint, { nil: undefined }),
      fc.boolean(),
      sensor,
      (wanted, isPlanned, measured) => {
        const situation = { setpoint: wanted, schedule: isPlanned ? schedule : undefined, sensor: measured };
        const row = table.find(({ when }) => when(situation));
        const expected = { nothing: undefined, setpoint: "preferred", schedule: "planned" }[
          row?.use ?? "nothing"
        ];
        expect(decide(situation)?.value).toBe(expected);
      },
    ),
    { numRuns: 2000 },
  );
});

describe("an accepted value", () => {
  const both = (accepted: unknown[], measured: unknown) =>
    decide({ setpoint: { from: null, to: null, value: 1, accepted }, schedule, sensor: measured })?.value;

  test.each([
    [["20"], 20],
    [["20.0"], 20],
    [["2e1"], 20],
    [[20], 20],
    [[20], "20"],
    [["on"], "on"],
    [["true"], true],
    [[true], true],
    [["[1]"], [1]],
    [[[1]], [1]],
  ])("%j is %j", (accepted, measured) => expect(both(accepted, measured)).toBe("planned"));

  test.each([
    [[""], 0],
    [["0x14"], 20],
    [["20"], 21],
    [["on"], "ON"],
    [["1"], true],
    [[], 20],
    [[null], 20],
  ])("%j is not %j", (accepted, measured) => expect(both(accepted, measured)).toBe(1));

  test("text that is a number is within bounds like the number", () => {
    const bounds = { min: 19, max: 21 };
    const by = (measured: unknown) =>
      decide({ setpoint: { from: null, to: null, value: 1, bounds }, schedule, sensor: measured })?.value;
    expect([by("20"), by("22"), by(21), by("x")]).toEqual(["planned", 1, "planned", "planned"]);
  });
});

const edge = fc.option(fc.integer({ min: 0, max: 20 }));
const items = fc.array(
  fc.record({ from: edge, to: edge, value: fc.nat(9) }).filter(({ from, to }) => (from ?? -1) < (to ?? 21)),
  { maxLength: 6 },
);

test("the item in force changes at the times foretold, and at no other", () => {
  fc.assert(
    fc.property(items, (list) => {
      for (let now = -1; now < 22; now += 1) {
        const holding = list.filter(({ from, to }) => (from ?? -2) <= now && now < (to ?? 99));
        const begun = Math.max(...holding.map(({ from }) => from ?? -2));
        expect(itemAt(list, now)).toBe(holding.findLast(({ from }) => (from ?? -2) === begun));
        const next = nextChange(list, now);
        for (let later = now; later < Math.min(next, 23); later += 1)
          expect(itemAt(list, later)).toBe(itemAt(list, now));
      }
    }),
  );
});

test("what came over MQTT unchecked is read as far as it makes sense", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("setpoint" as const, "schedule" as const),
      fc.oneof(fc.array(fc.object()), fc.jsonValue()),
      (kind, content) => {
        for (const { from, to } of timedItems(kind, content))
          expect([typeof from, typeof to]).not.toContain("string");
      },
    ),
  );
  const given = [
    { preferred_value: 1 },
    { preferred_value: 2, from_timestamp: "x" },
    { from_timestamp: null, to_timestamp: 5, preferred_value: null, min_value: "1", max_value: null },
    {},
  ];
  expect(timedItems("setpoint", given)).toEqual([
    { from: null, to: null, value: 1 },
    { from: null, to: 5, value: null, bounds: { min: 1, max: null } },
  ]);
});
