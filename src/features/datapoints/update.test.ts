import { describe, expect, test } from "vitest";
import { type Datapoint, describeDatapoints } from "../../../test/datapoints.ts";

describeDatapoints("updating datapoints", {}, (fixture) => {
  const { create, freshName, item, list, refused } = fixture;

  describe("updating many", () => {
    test("finds by connector and key, ignores the id, and leaves what is not given", async () => {
      const name = freshName();
      const [a, b] = await create([item(name, "a", { unit: "V" }), item(name, "b")]);
      const updated = await fixture.app.json<Datapoint[]>("PUT", "/datapoint/", {
        body: [
          item(name, "b", { id: a?.id, description: "two", allowed_values: "[1,2]" }),
          { connector: { name }, key_in_connector: "a", data_format: "bool" },
        ],
      });
      expect(updated).toEqual([
        { ...b, description: "two", allowed_values: [1, 2] },
        { ...a, data_format: "bool" },
      ]);
    });

    test("a sensor and an actuator with one key are told apart by the type", async () => {
      const name = freshName();
      await create([item(name, "k"), item(name, "k", { type: "actuator" })]);
      await fixture.app.json("PUT", "/datapoint/", {
        body: [item(name, "k", { type: "actuator", unit: "W" })],
      });
      const units = (await list(`connector__name=${name}&is_active=all`)).map((one) =>
        Reflect.get(one, "unit"),
      );
      expect(units).toEqual(["", "W"]);
      const ambiguous = { connector: { name }, key_in_connector: "k", unit: "A" };
      const answer = await refused("PUT", "/datapoint/", [ambiguous]);
      expect(answer.items?.[0]?.["datapoint"]?.[0]).toContain("give the type");
    });

    test("all or nothing, with the fault of each item", async () => {
      const name = freshName();
      await create([item(name, "a")]);
      const answer = await refused("PUT", "/datapoint/", [
        item(name, "a", { unit: "changed" }),
        item(freshName(), "a"),
        item(name, "nobody"),
        item(name, "a", { type: "actuator" }),
        item("with\u0000nul", "a"),
      ]);
      expect(answer.items?.map((one) => Object.keys(one))).toEqual([
        [],
        ["connector"],
        ["datapoint"],
        ["datapoint"],
        ["connector"],
      ]);
      expect(await list(`connector__name=${name}&is_active=all`)).toMatchObject([{ unit: "" }]);
    });

    test("short names: taken ones are refused, empty ones are null, and they may change hands", async () => {
      const name = freshName();
      await create([
        item(name, "a", { short_name: `${name}1` }),
        item(name, "b", { short_name: `${name}2` }),
      ]);
      const taken = await refused("PUT", "/datapoint/", [item(name, "a", { short_name: `${name}2` })]);
      expect(Object.keys(taken.items?.[0] ?? {})).toEqual(["short_name"]);
      const doubled = await refused("PUT", "/datapoint/", [
        item(name, "a", { short_name: "same" }),
        item(name, "b", { short_name: "same" }),
      ]);
      expect(doubled.items?.map((one) => Object.keys(one))).toEqual([["short_name"], ["short_name"]]);
      const swapped = await fixture.app.json<Datapoint[]>("PUT", "/datapoint/", {
        body: [item(name, "a", { short_name: `${name}2` }), item(name, "b", { short_name: `${name}1` })],
      });
      expect(swapped.map((one) => one.short_name)).toEqual([`${name}2`, `${name}1`]);
      const [emptied] = await fixture.app.json<Datapoint[]>("PUT", "/datapoint/", {
        body: [item(name, "a", { short_name: "" })],
      });
      expect(emptied?.short_name).toBeNull();
      const created = await refused("POST", "/datapoint/", [item(name, "z", { short_name: `${name}1` })]);
      expect(Object.keys(created.items?.[0] ?? {})).toEqual(["short_name"]);
    });
  });

  describe("activating many", () => {
    test("tells which changed, and refuses unknown ones without changing the others", async () => {
      const created = await create([item(freshName(), "a"), item(freshName(), "b")]);
      const ids = created.map((one) => one.id);
      expect(await fixture.app.json("POST", "/datapoint/activate/", { body: { ids } })).toEqual({ ids });
      expect(await fixture.app.json("POST", "/datapoint/activate/", { body: { ids } })).toEqual({ ids: [] });
      const answer = await refused("POST", "/datapoint/deactivate/", { ids: [ids[0], 999_999] });
      expect(answer.fields?.["ids"]?.[0]).toContain("999999");
      expect(await list(`id__in=${ids.join()}`)).toHaveLength(2);
      expect(
        await fixture.app.json("POST", "/datapoint/deactivate/", { body: { ids: [ids[0], ids[0]] } }),
      ).toEqual({
        ids: [ids[0]],
      });
      expect(await list(`id__in=${ids.join()}`)).toHaveLength(1);
    });

    test.each([[{}], [{ ids: 5 }], [{ ids: ["1"] }], [[1]], [{ ids: [-1] }]])("refuses %j", async (body) => {
      await refused("POST", "/datapoint/activate/", body);
    });
  });

  test("every write is recorded with who did it, before and after", async () => {
    const name = freshName();
    const [created] = await create([item(name, "a")]);
    const id = created?.id;
    await fixture.app.json("PUT", "/datapoint/", { body: [item(name, "a", { unit: "m" })] });
    await fixture.app.json("PUT", "/datapoint/", { body: [item(name, "a", { unit: "m" })] });
    await fixture.app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
    await fixture.app.json("DELETE", `/datapoint/${id}/`, { status: 204 });
    const changes = await fixture.app.server.kernel.changes.list(fixture.app.server.kernel.database.read, {
      resource: "datapoint",
      object: String(id),
      limit: 10,
    });
    expect(changes.map(({ action, actor, before, after }) => [action, actor.name, before, after])).toEqual([
      ["delete", "admin", { ...created, unit: "m", is_active: true }, null],
      [
        "update",
        "admin",
        { ...created, unit: "m", is_active: false },
        { ...created, unit: "m", is_active: true },
      ],
      ["update", "admin", { ...created, is_active: false }, { ...created, unit: "m", is_active: false }],
      ["create", "admin", null, { ...created, is_active: false }],
    ]);
  });
});
