import { beforeAll, describe, expect, test } from "vitest";
import { type Datapoint, describeDatapoints, type Refusal } from "../../../test/datapoints.ts";

describeDatapoints("listing datapoints", {}, (fixture) => {
  const { create, freshName, item, list } = fixture;

  describe("filters", () => {
    let name: string;
    let ids: number[];
    beforeAll(async () => {
      name = freshName();
      const created = await create([
        item(name, "Supply_T", {
          short_name: `${name} Alpha`,
          unit: "°C",
          data_format: "continuous_numeric",
        }),
        item(name, "pump", { type: "actuator", description: "100% Pump", unit: "rpm", data_format: "bool" }),
        item(name, "text", { description: "plain", data_format: "generic_text" }),
      ]);
      ids = created.map((one) => one.id);
      await fixture.app.json("POST", "/datapoint/activate/", { body: { ids } });
    });
    const keys = async (query: string) =>
      (await list(`connector__name=${name}&${query}`)).map((one) => one.key_in_connector);

    test.each([
      ["", ["Supply_T", "pump", "text"]],
      ["key_in_connector=pump", ["pump"]],
      ["key_in_connector=PUMP", []],
      ["key_in_connector__icontains=suPPly_", ["Supply_T"]],
      ["key_in_connector__icontains=supplyX", []],
      ["key_in_connector__icontains=%25", []],
      ["short_name__icontains=alpha", ["Supply_T"]],
      ["description=plain", ["text"]],
      ["description__icontains=100%25 p", ["pump"]],
      ["type=actuator", ["pump"]],
      ["type=foo", []],
      ["data_format=bool", ["pump"]],
      ["data_format__icontains=generic", ["text"]],
      ["unit=rpm", ["pump"]],
      ["unit__icontains=C", ["Supply_T"]],
      ["unit=rpm&type=sensor", []],
      ["unit=&type=", ["Supply_T", "pump", "text"]],
      ["id=1&nonsense=2&format=json&offset=0", ["Supply_T", "pump", "text"]],
      ["description=%00", []],
      ["key_in_connector=%27%3B--", []],
    ])("%j", async (query, expected) => {
      expect(await keys(query)).toEqual(expected);
    });

    test("by ids, by connector", async () => {
      expect(await keys(`id__in=${ids[2]},${ids[0]}`)).toEqual(["Supply_T", "text"]);
      expect(await keys("id__in=0,99999999999999999999")).toEqual([]);
      expect(await list(`connector__name__icontains=${name.toUpperCase()}`)).not.toEqual([]);
    });

    test.each(["id__in=1,x", "data_format=foo", "is_active=perhaps", "limit=0", "detail=half", "cursor=xyz"])(
      "%s is refused by name",
      async (query) => {
        const response = await fixture.app.request("GET", `/datapoint/?${query}`);
        expect(response.status).toBe(400);
        const body = (await response.json()) as Refusal;
        expect(Object.keys(body.fields ?? {})).toEqual([query.split("=")[0]]);
      },
    );

    test("pages link the next one and end", async () => {
      const seen: string[] = [];
      let path: string | undefined = `/datapoint/?connector__name=${name}&limit=2`;
      while (path !== undefined) {
        const response: Response = await fixture.app.request("GET", path);
        seen.push(...((await response.json()) as Datapoint[]).map((one) => one.key_in_connector));
        path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      }
      expect(seen).toEqual(["Supply_T", "pump", "text"]);
    });

    test("detail=full adds what comes from the device", async () => {
      const [first] = await list(`id__in=${ids[0]}&detail=full`);
      expect(first).toMatchObject({
        is_active: true,
        example_value: null,
        last_value: null,
        topics: { value: `${name}/messages/${ids[0]}/value` },
      });
    });
  });
});
