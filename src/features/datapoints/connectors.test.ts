import { expect, test } from "vitest";
import { describeEachApp, startTestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced, type Connector } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

const t0 = 1_700_000_000_000;

describeEachApp("connectors", (kind) => {
  test("live their life: added, announced, mapped, heard, commanded, renamed, deleted", async () => {
    await using app = await startTestApp(kind);
    await using connector = await TestConnector.connect(app, "plant");
    await connector.announce({ sensor: { T: 21.5, label: "x" }, actuator: { valve: 0.5 } });

    // The announcement was there before the connector was added: it is retained.
    const { id } = await addConnector(app, "plant");
    const all = await announced(app, "plant", 3);
    expect(all.map((one) => [one.type, one.key_in_connector, one.example_value])).toEqual([
      ["sensor", "T", 21.5],
      ["sensor", "label", "x"],
      ["actuator", "valve", 0.5],
    ]);
    expect(await connector.map("an empty map", () => true)).toEqual({ sensor: {}, actuator: {} });

    const [T, , valve] = all.map((one) => one.id);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [T, valve] } });
    const map = await connector.map("the map", ({ sensor }) => "T" in sensor);
    expect(map).toEqual({
      sensor: { T: `plant/messages/${T}/value` },
      actuator: { [`plant/messages/${valve}/value`]: "valve" },
    });

    await until("the value", async () => {
      // Again and again, since a broker forwards only what comes after the subscription.
      await connector.send("T", 22.25, t0);
      return (await app.json<object[]>("GET", `/datapoint/${T}/value/`)).length > 0;
    });
    expect(await app.json("GET", `/datapoint/${T}/value/`)).toEqual([{ value: "22.25", timestamp: t0 }]);

    const now = Date.now();
    await until("the command", async () => {
      if (connector.commands.length > 0) return true;
      const body = { value: "0.75", timestamp: now };
      const answer = await app.json("POST", `/datapoint/${valve}/value/`, { body, status: 201 });
      expect(answer).toEqual({ value: 0.75, timestamp: now });
      return false;
    });
    expect(connector.commands[0]).toEqual({ key: "valve", value: 0.75, timestamp: now });
    await until(
      "its echo",
      async () => (await app.json<object[]>("GET", `/datapoint/${valve}/value/`)).length > 0,
    );
    expect(await app.json("GET", `/datapoint/${valve}/value/`)).toEqual([{ value: "0.75", timestamp: now }]);

    await connector.heartbeat(now, now + 60_000);
    const alive = await until("the heartbeat", async () => {
      const shown = await app.json<Connector>("GET", `/connector/${id}/`);
      return shown.alive === null ? undefined : shown;
    });
    expect(alive).toMatchObject({
      alive: true,
      last_heartbeat: now,
      next_heartbeat: now + 60_000,
      available_datapoints: 3,
      active_datapoints: 2,
      topics: { logs: "plant/logs", datapoint_map: "plant/datapoint_map" },
    });
    await connector.heartbeat(now - 20, now - 10);
    await until(
      "the end",
      async () => (await app.json<Connector>("GET", `/connector/${id}/`)).alive === false,
    );

    await using renamed = await TestConnector.connect(app, "works");
    await app.json("PATCH", `/connector/${id}/`, { body: { name: "works" } });
    expect(await renamed.map("the map under the new name", ({ sensor }) => "T" in sensor)).toEqual({
      sensor: { T: `works/messages/${T}/value` },
      actuator: { [`works/messages/${valve}/value`]: "valve" },
    });
    await until(
      "the old map to be emptied",
      () => Object.keys(connector.maps.at(-1)?.sensor ?? { x: 1 }).length === 0,
    );

    await app.json("DELETE", `/connector/${id}/`, { status: 204 });
    await until(
      "the map to be emptied",
      () => Object.keys(renamed.maps.at(-1)?.sensor ?? { x: 1 }).length === 0,
    );
    expect(renamed.maps.at(-1)).toEqual({ sensor: {}, actuator: {} });
    await app.json("GET", `/connector/${id}/`, { status: 404 });
    await app.json("GET", `/datapoint/${T}/`, { status: 404 });
    expect(await app.json("GET", "/datapoint/?is_active=all")).toEqual([]);
    expect(await app.server.kernel.timeseries.streams.find("datapoints", `${T}/value`)).toBeUndefined();
  });

  test("a restart publishes the maps again, and everything is still there", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1 } });
    const [a] = await announced(app, "c", 1);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [a?.id] } });
    await connector.map("the map", ({ sensor }) => "a" in sensor);
    await until("the value", async () => {
      await connector.send("a", 1, t0);
      return (await app.json<object[]>("GET", `/datapoint/${a?.id}/value/`)).length === 1;
    });
    await app.restart();
    await using later = await TestConnector.connect(app, "c");
    await later.map("the map", ({ sensor }) => "a" in sensor);
    await until("another value", async () => {
      await later.send("a", 2, t0 + 1);
      return (await app.json<object[]>("GET", `/datapoint/${a?.id}/value/`)).length === 2;
    });
  });
});
