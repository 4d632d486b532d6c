import { describe, expect, test } from "vitest";
import { describeDatapoints, fieldNames } from "../../../test/datapoints.ts";

describeDatapoints("creating datapoints", {}, (fixture) => {
  const { create, freshName, item, list, refused } = fixture;

  describe("creating many", () => {
    test("makes unknown connectors, keeps the order, and shows exactly the documented fields", async () => {
      const name = freshName();
      const full = item(name, "a", {
        type: "actuator",
        data_format: "continuous_numeric",
        short_name: `${name} T`,
        description: "supply",
        unit: "°C",
        min_value: "1.5",
        max_value: 30,
        allowed_values: [1, "x", null],
        id: 4711,
        unknown: true,
      });
      const created = await create([full, item(name, "b"), item(name, "a")]);
      expect(created.map((one) => [one.key_in_connector, one.type])).toEqual([
        ["a", "actuator"],
        ["b", "sensor"],
        ["a", "sensor"],
      ]);
      expect(Object.keys(created[0] ?? {})).toEqual(fieldNames);
      const { id: _id, unknown: _unknown, ...sent } = full as unknown as Record<string, unknown>;
      expect(created[0]).toEqual({ ...sent, id: created[0]?.id, min_value: 1.5 });
      expect(created[1]).toMatchObject({
        data_format: "unknown",
        short_name: null,
        description: "",
        unit: "",
        min_value: null,
        allowed_values: null,
      });
      expect(await fixture.app.json("GET", `/connector/?name=${name}`)).toHaveLength(1);
      await create([item(name, "c")]);
      expect(await fixture.app.json("GET", `/connector/?name=${name}`)).toHaveLength(1);
    });

    test("new ones are inactive, so that they are not in the list", async () => {
      const name = freshName();
      const [created] = await create([item(name, "a")]);
      expect(await list(`connector__name=${name}`)).toEqual([]);
      expect(await list(`connector__name=${name}&is_active=false`)).toEqual([created]);
      expect(await list(`connector__name=${name}&is_active=all`)).toEqual([created]);
    });

    test("an empty list is created at once", async () => {
      expect(await create([])).toEqual([]);
    });

    test("all or nothing: one that exists, or twice in the list, refuses the others", async () => {
      const [name, other] = [freshName(), freshName()];
      await create([item(name, "a")]);
      const answer = await refused("POST", "/datapoint/", [
        item(other, "n"),
        item(name, "a"),
        item(other, "n"),
      ]);
      expect(answer.items?.map((one) => Object.keys(one))).toEqual([[], ["datapoint"], ["datapoint"]]);
      expect(await list(`connector__name=${other}&is_active=all`)).toEqual([]);
      expect(await fixture.app.json("GET", `/connector/?name=${other}`)).toEqual([]);
    });

    test.each([
      ["no connector", { connector: undefined }, "connector"],
      ["a plain name as connector", { connector: "x" }, "connector"],
      ["a connector that is no topic", { connector: { name: "a/b" } }, "connector"],
      ["no key", { key_in_connector: undefined }, "key_in_connector"],
      ["an empty key", { key_in_connector: "" }, "key_in_connector"],
      ["a key with NUL", { key_in_connector: "a\u0000" }, "key_in_connector"],
      ["a very long key", { key_in_connector: "x".repeat(2001) }, "key_in_connector"],
      ["an unknown type", { type: "foo" }, "type"],
      ["an unknown format", { data_format: "foo" }, "data_format"],
      ["a number as unit", { unit: 5 }, "unit"],
      ["a description with NUL", { description: "\u0000" }, "description"],
      ["half a surrogate pair", { description: "\ud800" }, "description"],
      ["a text as minimum", { min_value: "low" }, "min_value"],
      ["an infinite maximum", { max_value: "Infinity" }, "max_value"],
      ["a minimum above the maximum", { min_value: 3, max_value: 2 }, "min_value"],
      ["an object as allowed values", { allowed_values: { a: 1 } }, "allowed_values"],
    ])("refuses %s", async (_what, more, field) => {
      const answer = await refused("POST", "/datapoint/", [item(freshName(), "fine"), item("x", "y", more)]);
      expect(answer.items?.[0]).toEqual({});
      expect(Object.keys(answer.items?.[1] ?? {})).toEqual([field]);
    });

    test("refuses what is no array, and broken JSON", async () => {
      const answer = await refused("POST", "/datapoint/", item("x", "y"));
      expect(Object.keys(answer.fields ?? {})).toEqual(["non_field_errors"]);
      expect((await refused("POST", "/datapoint/", "[{")).detail).toContain("JSON parse error");
      const response = await fixture.app.request("POST", "/datapoint/", {
        body: "x",
        headers: { "content-type": "text/plain" },
      });
      expect(response.status).toBe(415);
    });
  });

  test("two requests for the same datapoint at once: one is told that it was too late", async () => {
    const name = freshName();
    await create([item(name, "first")]);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        fixture.app.request("POST", "/datapoint/", { body: [item(name, "same")] }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, 400, 400, 400, 400]);
    expect(await list(`connector__name=${name}&is_active=all`)).toHaveLength(2);
  });
});
