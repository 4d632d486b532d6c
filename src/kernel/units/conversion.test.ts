import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkUnit, conversion, integralConversion, rounded, timesHours } from "./conversion.ts";

describe("conversion", () => {
  test.each([
    ["kW", "W", 1000, 0],
    ["W", "kW", 0.001, 0],
    ["Wh", "kWh", 0.001, 0],
    ["MWh", "kWh", 1000, 0],
    ["kWh", "MJ", 3.6, 0],
    ["kW.h", "kWh", 1, 0],
    ["°C", "K", 1, 273.15],
    ["K", "°C", 1, -273.15],
    ["°C", "°F", 1.8, 32],
    ["degF", "Cel", 5 / 9, -160 / 9],
    ["°F", "K", 5 / 9, 459.67 / 1.8],
    ["W/m²", "kW/m2", 0.001, 0],
    ["%", "1", 0.01, 0],
    ["ppm", "%", 0.0001, 0],
    ["m³/h", "L/min", 1000 / 60, 0],
    ["l/s", "m3/h", 3.6, 0],
    ["km/h", "m/s", 1 / 3.6, 0],
    ["bar", "hPa", 1000, 0],
    ["mbar", "Pa", 100, 0],
    ["psi", "kPa", 6.894757293168, 0],
    ["kvar", "var", 1000, 0],
    ["kVA", "VA", 1000, 0],
    ["kvarh", "varh", 1000, 0],
    ["mAh", "Ah", 0.001, 0],
    ["µg/m3", "mg/m3", 0.001, 0],
    ["rpm", "Hz", 1 / 60, 0],
    ["days", "h", 24, 0],
    ["°", "rad", Math.PI / 180, 0],
    ["EUR", "EUR", 1, 0],
  ])("%s to %s", async (from, to, scale, shift) => {
    const found = await conversion(from, to);
    expect(found?.scale).toBeCloseTo(scale, 11);
    expect(found?.shift).toBeCloseTo(shift, 9);
  });

  test.each([
    ["°C", "kWh"],
    ["kW", "kWh"],
    ["kvar", "kW"],
    ["kVA", "kW"],
    ["kVA", "kvar"],
    ["", "kW"],
    ["EUR", "kW"],
    ["kW", "nonsense"],
    ["[pH]", "mol/L"],
    ["B[W]", "W"],
  ])("not from %s to %s", async (from, to) => {
    expect(await conversion(from, to)).toBeUndefined();
  });

  test("factors that are short decimals are exactly those", async () => {
    expect(await conversion("W", "kW")).toEqual({ scale: 0.001, shift: 0 });
    expect(await conversion("°C", "°F")).toEqual({ scale: 1.8, shift: 32 });
    expect(await conversion("°C", "K")).toEqual({ scale: 1, shift: 273.15 });
    expect(rounded(21.5 * 1.8 + 32)).toBe(70.7);
  });

  test("there and back is where one was", async () => {
    const pairs = [
      ["°C", "°F"],
      ["kWh", "J"],
      ["m3/h", "L/min"],
    ] as const;
    for (const [a, b] of pairs) {
      const there = await conversion(a, b);
      const back = await conversion(b, a);
      if (!there || !back) throw new Error(`${a} ${b}`);
      fc.assert(
        fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (value) => {
          const returned = (value * there.scale + there.shift) * back.scale + back.shift;
          expect(Math.abs(returned - value)).toBeLessThanOrEqual(1e-9 * Math.max(1000, Math.abs(value)));
        }),
      );
    }
  });
});

test.each([
  ["kW", "kWh", 1],
  ["W", "kWh", 0.001],
  ["kW", "MJ", 3.6],
  ["m3/h", "L", 1000],
  ["W/m2", "kWh/m2", 0.001],
  ["A", "mAh", 1000],
])("an integral of %s over hours in %s", async (from, to, scale) => {
  expect((await integralConversion(from, to))?.scale).toBeCloseTo(scale, 11);
});

test.each([
  ["kW", "kW"],
  ["°C", "K"],
  ["kvar", "kWh"],
  ["", "h"],
])("no integral of %s in %s", async (from, to) => {
  expect(await integralConversion(from, to)).toBeUndefined();
});

test.each([
  ["", "h"],
  ["kW", "kWh"],
  ["W/m²", "Wh/m²"],
  ["m3/h", "m3"],
  ["°C", "°C·h"],
  ["kvar", "kvarh"],
])("%j times hours is %s", (unit, expected) => {
  expect(timesHours(unit)).toBe(expected);
});

test("what is no unit is refused by its field", async () => {
  await checkUnit("kWh");
  await checkUnit("°C");
  for (const unit of ["", "nonsense", "kW h", "=1+1", "x".repeat(200)])
    await expect(checkUnit(unit, "unit")).rejects.toMatchObject({
      status: 400,
      fields: { unit: expect.anything() },
    });
});
