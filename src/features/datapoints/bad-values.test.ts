import { describe, expect, test } from "vitest";
import { describeDatapoints } from "../../../test/datapoints.ts";

const t0 = 1_700_000_100_000;
/** Fixed, so that the window of timestamps is known. */
const clock = { now: () => t0 + 3_600_000 };

describeDatapoints("values that are refused", { clock }, (fixture) => {
  const { fresh, get, refused } = fixture;

  describe("bad messages", () => {
    const fine = { value: "1", timestamp: t0 };
    test.each([
      ["no value", { timestamp: t0 }, "value", "required"],
      ["no timestamp", { value: "1" }, "timestamp", "required"],
      ["an empty value", { ...fine, value: "" }, "value", "blank"],
      ["text that is no JSON", { ...fine, value: "abc" }, "value", "cannot be parsed as JSON"],
      ["NaN", { ...fine, value: "NaN" }, "value", "cannot be parsed as JSON"],
      ["Infinity", { ...fine, value: "-Infinity" }, "value", "cannot be parsed as JSON"],
      ["a number beyond a double", { ...fine, value: "1e999" }, "value", "beyond"],
      ["an integer that would change", { ...fine, value: "9007199254740993" }, "value", "exactly"],
      [
        "a value of great size",
        { ...fine, value: JSON.stringify("x".repeat(300_000)) },
        "value",
        "characters",
      ],
      ["a value of great depth", { ...fine, value: "[".repeat(9999) + "]".repeat(9999) }, "value", "deeper"],
      ["null as timestamp", { ...fine, timestamp: null }, "timestamp", "integer"],
      ["a fraction", { ...fine, timestamp: t0 + 0.5 }, "timestamp", "integer"],
      ["an ISO date", { ...fine, timestamp: "2020-08-01T00:00:00Z" }, "timestamp", "integer"],
      ["the far past", { ...fine, timestamp: t0 - 6e11 }, "timestamp", "seems unreasonably low"],
      ["seconds", { ...fine, timestamp: t0 / 1000 }, "timestamp", "seems unreasonably low"],
      ["the far future", { ...fine, timestamp: t0 + 2e11 }, "timestamp", "seems unreasonably high"],
      ["a number in place of the object", 5, "non_field_errors", "object"],
    ])("%s refuses the whole list", async (_what, message, field, text) => {
      const id = await fresh();
      const answer = await refused("PUT", `/datapoint/${id}/value/`, [fine, message]);
      expect(answer.items?.[0]).toEqual({});
      expect(answer.items?.[1]?.[field]?.join()).toContain(text);
      expect(await get(id)).toEqual([]);
    });

    test.each([
      [{ data_format: "generic_numeric" }, '"abc"', "cannot be parsed to float"],
      [{ data_format: "generic_numeric" }, "true", "cannot be parsed to float"],
      [{ data_format: "continuous_numeric", min_value: 1, max_value: 2 }, "2.5", "maximum"],
      [{ data_format: "discrete_numeric", allowed_values: [1, 2] }, "3", "allowed values"],
      [{ data_format: "discrete_text", allowed_values: ["on"] }, '"on "', "allowed values"],
      [{ data_format: "generic_text" }, "5", "text"],
      [{ data_format: "bool" }, "null", "true or false"],
    ])("%j refuses %s", async (more, value, text) => {
      const id = await fresh(more);
      const answer = await refused("PUT", `/datapoint/${id}/value/`, [{ value, timestamp: t0 }]);
      expect(answer.items?.[0]?.["value"]?.join()).toContain(text);
      const single = await refused("PUT", `/datapoint/${id}/value/${t0}/`, { value, timestamp: t0 });
      expect(single.fields?.["value"]?.join()).toContain(text);
    });

    test("no array, an unknown datapoint, an unknown form", async () => {
      const id = await fresh();
      expect(Object.keys((await refused("PUT", `/datapoint/${id}/value/`, fine)).fields ?? {})).toEqual([
        "non_field_errors",
      ]);
      await refused("PUT", "/datapoint/999999/value/", [fine], 404);
      await refused("GET", "/datapoint/999999/value/", undefined, 404);
      await refused("GET", "/datapoint/abc/value/", undefined, 404);
      await refused("GET", `/datapoint/${id}/value/?values=hex`);
    });
  });

  test("sending: only to actuators, checked, and never silently without a broker", async () => {
    const sensor = await fresh();
    const actuator = await fresh({ type: "actuator", data_format: "generic_numeric" });
    const answer = await refused("POST", `/datapoint/${sensor}/value/`, {});
    expect(answer.fields?.["non_field_errors"]?.[0]).toContain("actuators");
    const missing = await refused("POST", `/datapoint/${actuator}/value/`, {});
    expect(Object.keys(missing.fields ?? {})).toEqual(["value", "timestamp"]);
    await refused("POST", `/datapoint/${actuator}/value/`, [{ value: "1", timestamp: t0 }]);
    await refused("POST", `/datapoint/${actuator}/value/`, { value: "abc", timestamp: t0 });
    await refused("POST", "/datapoint/999999/value/", { value: "1", timestamp: t0 }, 404);
    const away = await refused("POST", `/datapoint/${actuator}/value/`, { value: null, timestamp: t0 }, 503);
    expect(away).toMatchObject({ type: "/problems/broker-unavailable" });
    expect(await get(actuator)).toEqual([]);
  });
});
