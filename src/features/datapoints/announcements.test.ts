import { expect, test } from "vitest";
import { describeEachApp, startTestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced, listAll } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

describeEachApp("announcements and maps", (kind) => {
  test("announcements add and update, never delete, and keep types apart", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1, b: "1", c: true }, actuator: { a: null } });
    const before = await announced(app, "c", 4);
    await app.json("PATCH", `/datapoint/${before[0]?.id}/`, { body: { description: "mine" } });
    await connector.announce({ sensor: { b: [1], d: { e: 1 } } });
    const after = await announced(app, "c", 5);
    expect(after.map((one) => [one.id, one.type, one.key_in_connector, one.example_value])).toEqual([
      [before[0]?.id, "sensor", "a", 1],
      [before[1]?.id, "sensor", "b", [1]],
      [before[2]?.id, "sensor", "c", true],
      [before[3]?.id, "actuator", "a", null],
      [after[4]?.id, "sensor", "d", { e: 1 }],
    ]);
    expect(await app.json("GET", `/datapoint/${before[0]?.id}/`)).toMatchObject({
      description: "mine",
      is_active: false,
    });
    await connector.publish("c/available_datapoints", '{"sensor":{"a":NaN,"c":-Infinity}}');
    await until("the examples", async () => (await listAll(app, "c"))[0]?.example_value === "NaN");
    expect((await listAll(app, "c"))[2]?.example_value).toBe("-Infinity");
    const { changes, database } = app.server.kernel;
    const created = await changes.list(database.read, {
      resource: "datapoint",
      object: String(after[4]?.id),
      limit: 5,
    });
    expect(created).toMatchObject([
      { action: "create", actor: { name: "c", via: "mqtt", principalId: null } },
    ]);
  });

  test("one map per change, and none for other fields", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    const keys = Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`k${index}`, index]));
    await connector.announce({ sensor: keys });
    const ids = (await announced(app, "c", 600)).map((one) => one.id);
    await app.json("POST", "/datapoint/activate/", { body: { ids } });
    await connector.map("all", ({ sensor }) => Object.keys(sensor).length === 600);
    await app.json("PATCH", `/datapoint/${ids[0]}/`, { body: { unit: "K", short_name: "first" } });
    await connector.announce({ sensor: { k0: 5, more: 1 } });
    await announced(app, "c", 601);
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: ids.slice(0, 2) } });
    await app.json("DELETE", `/datapoint/${ids[2]}/`, { status: 204 });
    await connector.map("the rest", ({ sensor }) => Object.keys(sensor).length === 597);
    expect(connector.maps.map(({ sensor }) => Object.keys(sensor).length)).toEqual([0, 600, 598, 597]);
  });
});
