import { describe, expect, test } from "vitest";
import { type Datapoint, describeDatapoints, fieldNames } from "../../../test/datapoints.ts";

describeDatapoints("a datapoint", {}, (fixture) => {
  const { create, freshName, item, list, refused } = fixture;

  describe("a single one", () => {
    const one = async (more: object = {}) => {
      const [created] = await create([item(freshName(), "k", more)]);
      return created as Datapoint;
    };

    test("is shown whether active or not, with an entity tag", async () => {
      const { id } = await one();
      const response = await fixture.app.request("GET", `/datapoint/${id}/`);
      expect(Object.keys((await response.json()) as object)).toEqual([...fieldNames, "is_active"]);
      const etag = response.headers.get("etag") ?? "";
      expect(
        (await fixture.app.request("GET", `/datapoint/${id}`, { headers: { "if-none-match": etag } })).status,
      ).toBe(304);
      const full = await fixture.app.request("GET", `/datapoint/${id}/?detail=full`);
      expect(full.headers.get("etag")).toBe(etag);
      expect(await full.json()).toMatchObject({ is_active: false, last_value: null });
    });

    test("is changed field by field, under If-Match", async () => {
      const { id } = await one();
      const before = await fixture.app.request("GET", `/datapoint/${id}/`);
      const headers = { "if-match": before.headers.get("etag") ?? "" };
      const body = { is_active: true, unit: "K", allowed_values: [1], short_name: `sn${id}`, max_value: 4 };
      const changed = await fixture.app.json("PATCH", `/datapoint/${id}/`, { body, headers });
      expect(changed).toMatchObject({ id, ...body });
      await fixture.app.json("PATCH", `/datapoint/${id}/`, { body, headers, status: 412 });
      expect(await fixture.app.json("PATCH", `/datapoint/${id}/`, { body: {} })).toEqual(changed);
      expect(await list(`id__in=${id}`)).toHaveLength(1);
    });

    test("can move to another connector, key and type, unless that is taken", async () => {
      const first = await one();
      const second = await one({ type: "actuator" });
      const body = { connector: second.connector, type: "actuator" };
      const taken = await refused("PATCH", `/datapoint/${first.id}/`, body);
      expect(Object.keys(taken.fields ?? {})).toEqual(["datapoint"]);
      const moved = await fixture.app.json("PATCH", `/datapoint/${first.id}/`, {
        body: { ...body, key_in_connector: "new" },
      });
      expect(moved).toMatchObject({ ...body, key_in_connector: "new" });
    });

    test.each([
      [{ is_active: "yes" }, "is_active"],
      [{ type: "foo" }, "type"],
      [{ connector: { name: "nobody" } }, "connector"],
      [{ connector: { name: "\u0000" } }, "connector"],
      [{ min_value: 5, max_value: 1 }, "min_value"],
      [{ short_name: 5 }, "short_name"],
      [{ key_in_connector: "" }, "key_in_connector"],
      [[], "non_field_errors"],
    ])("refuses %j", async (body, field) => {
      const { id } = await one();
      const answer = await refused("PATCH", `/datapoint/${id}/`, body);
      expect(Object.keys(answer.fields ?? {})).toEqual([field]);
    });

    test("a taken short name is refused", async () => {
      const first = await one({ short_name: freshName() });
      const { id } = await one();
      const answer = await refused("PATCH", `/datapoint/${id}/`, { short_name: first.short_name });
      expect(Object.keys(answer.fields ?? {})).toEqual(["short_name"]);
    });

    test("is deleted with its values, and its id never comes again", async () => {
      const { id } = await one();
      const now = Date.now();
      await fixture.app.json("PUT", `/datapoint/${id}/value/`, { body: [{ value: "1", timestamp: now }] });
      await fixture.app.json("DELETE", `/datapoint/${id}/`, { status: 204 });
      await fixture.app.json("GET", `/datapoint/${id}/`, { status: 404 });
      await fixture.app.json("GET", `/datapoint/${id}/value/`, { status: 404 });
      await fixture.app.json("DELETE", `/datapoint/${id}/`, { status: 404 });
      expect((await one()).id).toBeGreaterThan(id);
    });

    test.each(["0", "999999", "-1", "abc", "1.5", "99999999999999999999"])(
      "/datapoint/%s/ is not there",
      async (id) => {
        for (const [method, body] of [["GET"], ["PATCH", {}], ["DELETE"]] as const) {
          const response = await fixture.app.request(method, `/datapoint/${id}/`, body ? { body } : {});
          expect([method, response.status]).toEqual([method, 404]);
          expect(response.headers.get("content-type")).toContain("application/problem+json");
        }
      },
    );
  });
});
