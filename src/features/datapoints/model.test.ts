import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  connectorNameFault,
  type DataFormat,
  datapointMap,
  timestampFault,
  type ValueRules,
  valueFault,
} from "./model.ts";

const rules = (dataFormat: DataFormat, more: Partial<ValueRules> = {}): ValueRules => ({
  dataFormat,
  allowedValues: null,
  minValue: null,
  maxValue: null,
  ...more,
});

describe("a value and the format of its datapoint", () => {
  const samples = {
    number: 2.2,
    integer: 1,
    text: "abc",
    numericText: "21.5",
    true: true,
    false: false,
    null: null,
    array: [1],
    object: { a: 1 },
  };
  const accepted: Readonly<Record<DataFormat, readonly (keyof typeof samples)[]>> = {
    generic_numeric: ["number", "integer", "null"],
    continuous_numeric: ["number", "integer", "null"],
    discrete_numeric: [],
    generic_text: ["text", "numericText", "null"],
    discrete_text: [],
    bool: ["true", "false"],
    unknown: Object.keys(samples) as (keyof typeof samples)[],
  };

  for (const [format, names] of Object.entries(accepted) as [DataFormat, readonly string[]][]) {
    test(`${format} takes ${names.join(", ") || "nothing unless it is listed"}`, () => {
      for (const [name, value] of Object.entries(samples)) {
        const fault = valueFault(rules(format), value);
        expect(`${name}: ${fault === undefined}`).toBe(`${name}: ${names.includes(name)}`);
      }
    });
  }

  test.each([
    [{ minValue: 1, maxValue: 3 }, [1, 2, 3, null], [0.9, 3.1]],
    [{ minValue: 1 }, [1, 1e9, null], [0]],
    [{ maxValue: 3 }, [-1e9, 3, null], [4]],
    [{}, [-1e300, 1e300, null], []],
  ])("bounds %j", (bounds, fine, wrong) => {
    const continuous = rules("continuous_numeric", bounds);
    for (const value of fine) expect(valueFault(continuous, value)).toBeUndefined();
    for (const value of wrong) expect(valueFault(continuous, value)).toMatch(/minimum|maximum/);
  });

  test.each([
    ["discrete_numeric", [1, 2.5], [1.0, 2.5], [3, null]],
    ["discrete_numeric", [1, null], [1, null], [2]],
    ["discrete_text", ["on", "off"], ["on"], ["on ", "", null, "of"]],
    ["discrete_text", ["on", null, ""], ["on", null, ""], ["off"]],
    ["discrete_text", [], [], ["on", null]],
    ["discrete_numeric", null, [], [1, null]],
  ] as const)("%s of %j", (format, allowedValues, fine, wrong) => {
    const discrete = rules(format, { allowedValues });
    for (const value of fine) expect(valueFault(discrete, value)).toBeUndefined();
    for (const value of wrong) expect(valueFault(discrete, value)).toMatch(/allowed values/);
  });

  test("a text for a number names the documented fragment", () => {
    expect(valueFault(rules("generic_numeric"), "abc")).toContain("cannot be parsed to float");
  });
});

test("timestamps far from now name what is wrong", () => {
  const now = 1_700_000_000_000;
  expect(timestampFault(now, now)).toBeUndefined();
  expect(timestampFault(now - 5e11, now)).toBeUndefined();
  expect(timestampFault(now + 1e11, now)).toBeUndefined();
  expect(timestampFault(now - 5e11 - 1, now)).toContain("seems unreasonably low");
  expect(timestampFault(now + 1e11 + 1, now)).toContain("seems unreasonably high");
});

test.each([
  "",
  "a/b",
  "+",
  "a+",
  "#",
  "$SYS",
  "a\u0000",
  "a\nb",
  "a\u007f",
  "\u0085",
  " a",
  "a ",
  "\ud800",
  "x".repeat(201),
])("the connector name %j is refused", (name) => {
  expect(connectorNameFault(name)).toBeTypeOf("string");
});

test.each(["a", "weather-station", "with blank", "Wärmepumpe", "a$b", "__proto__", "x".repeat(200)])(
  "the connector name %j is taken",
  (name) => {
    expect(connectorNameFault(name)).toBeUndefined();
  },
);

test("a map turns around for actuators, and any key is a key", () => {
  const map = JSON.parse(
    datapointMap("c", [
      { id: 1, key: "t", type: "sensor" },
      { id: 2, key: "t", type: "actuator" },
      { id: 3, key: "__proto__", type: "sensor" },
    ]),
  ) as { sensor: object; actuator: object };
  expect(Object.entries(map.sensor)).toEqual([
    ["t", "c/messages/1/value"],
    ["__proto__", "c/messages/3/value"],
  ]);
  expect(map.actuator).toEqual({ "c/messages/2/value": "t" });
});

test("no value of any kind makes the rules throw", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        "generic_numeric",
        "discrete_text",
        "bool",
        "unknown",
        "continuous_numeric" as DataFormat,
      ),
      fc.jsonValue(),
      (format, value) => {
        const fault = valueFault(rules(format as DataFormat, { minValue: 0, allowedValues: [value] }), value);
        expect(["string", "undefined"]).toContain(typeof fault);
      },
    ),
  );
});
