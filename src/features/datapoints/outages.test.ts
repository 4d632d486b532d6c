import { connectAsync } from "mqtt";
import { describe, expect, inject, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";

const t0 = 1_700_000_000_000;
const keysOf = (map: { readonly sensor: object } | undefined) => Object.keys(map?.sensor ?? {});

/** A connector `c` with an active sensor and an active actuator. */
async function setUp(app: TestApp): Promise<{ connector: number; sensor: number; actuator: number }> {
  const body = [
    { connector: { name: "c" }, key_in_connector: "s", type: "sensor" },
    { connector: { name: "c" }, key_in_connector: "a", type: "actuator" },
  ];
  const created = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  const [sensor = 0, actuator = 0] = created.map(({ id }) => id);
  await app.json("POST", "/datapoint/activate/", { body: { ids: [sensor, actuator] } });
  const [connector] = await app.json<{ id: number }[]>("GET", "/connector/");
  return { connector: connector?.id ?? 0, sensor, actuator };
}

const values = (app: TestApp, id: number) =>
  app.json<{ value: string; timestamp: number }[]>("GET", `/datapoint/${id}/value/`);

/** The retained map of `c`, as a client that comes now gets it. */
async function retainedMap(app: TestApp, name = "c"): Promise<string> {
  const client = await connectAsync(app.mqttUrl);
  try {
    let text: string | undefined;
    client.on("message", (_topic, payload) => {
      text = payload.toString();
    });
    await client.subscribeAsync(`${name}/datapoint_map`, { qos: 1 });
    return await until("a retained map", () => text);
  } finally {
    await client.endAsync(true);
  }
}

const connected = (app: TestApp, state: boolean) =>
  until(`the link to be ${state ? "up" : "down"}`, () => app.server.kernel.mqtt.status.connected === state);

describe.skipIf(!inject("mosquitto"))("while the broker is away", () => {
  test("a command is refused with 503, and afterwards everything goes on without a restart", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { sensor, actuator } = await setUp(app);
    await app.mosquitto?.end();
    await connected(app, false);
    const body = { value: "1", timestamp: Date.now() };
    const refusal = await app.json("POST", `/datapoint/${actuator}/value/`, { body, status: 503 });
    expect(refusal).toMatchObject({ type: "/problems/broker-unavailable" });
    await app.mosquitto?.start();
    await connected(app, true);
    await app.json("POST", `/datapoint/${actuator}/value/`, { body: { ...body, value: "2" }, status: 201 });
    await until("the echo", async () => (await values(app, actuator)).length > 0);
    expect((await values(app, actuator)).map(({ value }) => value)).toEqual(["2"]);
    await using connector = await TestConnector.connect(app, "c");
    await connector.map("the map", (map) => keysOf(map).length === 1);
    await connector.send("s", 5, t0);
    await until("a value", async () => (await values(app, sensor)).length === 1);
  });

  test("maps that changed meanwhile are published when it is back, also on an empty broker", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { sensor } = await setUp(app);
    await until("the map", async () => (await retainedMap(app)).includes("messages"));
    // Killed before it saved anything: the retained messages are gone.
    await app.mosquitto?.end("SIGKILL");
    await connected(app, false);
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [sensor] } });
    await app.mosquitto?.start();
    await connected(app, true);
    await until("the new map", async () =>
      (await retainedMap(app)).startsWith('{"sensor":{},"actuator":{"c/'),
    );
  });

  test("the map of a connector deleted meanwhile is emptied when it is back, even over a restart", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { connector } = await setUp(app);
    await until("the map", async () => (await retainedMap(app)).includes("messages"));
    await app.mosquitto?.end();
    await connected(app, false);
    await app.json("DELETE", `/connector/${connector}/`, { status: 204 });
    await app.stop();
    await app.mosquitto?.start();
    await app.start();
    const empty = '{"sensor":{},"actuator":{}}';
    await until("the empty map", async () => (await retainedMap(app)) === empty);
  });

  test("what is published while Busbar is away is delivered and stored when it is back", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { sensor } = await setUp(app);
    await using connector = await TestConnector.connect(app, "c");
    await connector.map("the map", (map) => keysOf(map).length === 1);
    await until("the subscription", async () => {
      await connector.send("s", 0, t0);
      return (await values(app, sensor)).length === 1;
    });
    await app.stop();
    for (let index = 1; index <= 500; index += 1) await connector.send("s", index, t0 + index);
    await app.start();
    await until("all of them", async () => (await values(app, sensor)).length === 501);
    expect((await values(app, sensor)).map(({ value }) => Number(value))).toEqual([...Array(501).keys()]);
  });

  test("a retained announcement and value heard again after each reconnect change nothing", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { sensor } = await setUp(app);
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { s: 1 } });
    await connector.log({ timestamp: t0, msg: "start", emitter: null, level: 20 }, true);
    await connector.map("the map", (map) => keysOf(map).length === 1);
    await connector.send("s", 1, t0, true);
    const [c] = await app.json<{ id: number }[]>("GET", "/connector/");
    const logs = () => app.json<object[]>("GET", `/connector/${c?.id}/logs/`);
    await until(
      "value and log",
      async () => (await values(app, sensor)).length === 1 && (await logs()).length === 1,
    );
    await app.json("DELETE", `/datapoint/${sensor}/value/${t0}/`, { status: 204 });
    for (let round = 0; round < 2; round += 1) await app.restart();
    await until("the replay", async () => {
      const metric = app.server.kernel.metrics.getSingleMetric("busbar_datapoints_replayed_messages_total");
      return ((await metric?.get())?.values[0]?.value ?? 0) > 0;
    });
    expect(await values(app, sensor)).toEqual([]);
    expect(await logs()).toHaveLength(1);
    expect(await app.json("GET", "/datapoint/?is_active=all")).toHaveLength(2);
  });
});

describeEachEngine("without history", (engine) => {
  test("only the newest value is kept", async () => {
    await using app = await startTestApp({
      engine,
      broker: "embedded",
      env: { ACTIVATE_HISTORY_EXTENSION: "false" },
    });
    const { sensor } = await setUp(app);
    await using connector = await TestConnector.connect(app, "c");
    await connector.map("the map", (map) => keysOf(map).length === 1);
    for (const [value, offset] of [
      [1, 1],
      [3, 3],
      [2, 2],
    ] as const)
      await connector.send("s", value, t0 + offset);
    expect(await app.json("GET", "/datapoint/last_value/")).toEqual({
      msgs_by_datapoint_id: { [sensor]: { value: "3", timestamp: t0 + 3 } },
    });
  });
});

describe("a connector's name", () => {
  test("must fit into a topic and be free", async () => {
    await using app = await startTestApp({ broker: "embedded" });
    const post = (body: unknown) => app.request("POST", "/connector/", { body });
    for (const name of ["", "a/b", "a+", "#", "$SYS", "a\u0000b", "a\n", " a", "x".repeat(201)]) {
      const response = await post({ name });
      const answer = (await response.json()) as { fields?: object };
      expect([name, response.status, Object.keys(answer.fields ?? {})]).toEqual([name, 400, ["name"]]);
    }
    for (const body of [{}, { name: 5 }, { name: null }, []]) expect((await post(body)).status).toBe(400);
    const first = await app.json<{ id: number }>("POST", "/connector/", { body: { name: "a" }, status: 201 });
    const second = await app.json<{ id: number }>("POST", "/connector/", {
      body: { name: "b" },
      status: 201,
    });
    expect((await post({ name: "a" })).status).toBe(409);
    await app.json("PATCH", `/connector/${second.id}/`, { body: { name: "a" }, status: 409 });
    await app.json("PATCH", `/connector/${second.id}/`, { body: { name: "a/b" }, status: 400 });
    await app.json("PATCH", `/connector/${second.id}/`, { body: { name: "b" } });
    await app.json("PATCH", "/connector/999/", { body: { name: "z" }, status: 404 });
    await app.json("DELETE", "/connector/999/", { status: 404 });
    const response = await app.request("GET", `/connector/${first.id}/`);
    const headers = { "if-match": response.headers.get("etag") ?? "" };
    await app.json("PATCH", `/connector/${first.id}/`, { body: { name: "c" }, headers });
    await app.json("DELETE", `/connector/${first.id}/`, { headers, status: 412 });
    await app.json("DELETE", `/connector/${first.id}/`, { status: 204 });
    const names = (await app.json<{ name: string }[]>("GET", "/connector/?limit=5")).map(({ name }) => name);
    expect(names).toEqual(["b"]);
    // Ids are not used again, names are.
    const again = await app.json<{ id: number }>("POST", "/connector/", { body: { name: "a" }, status: 201 });
    expect(again.id).toBeGreaterThan(second.id);
    expect(await retainedMap(app, "a")).toBe('{"sensor":{},"actuator":{}}');
  });
});

test("the existing system's counters tell messages by connector", async () => {
  await using app = await startTestApp({ broker: "embedded" });
  const { actuator } = await setUp(app);
  await app.json("POST", `/datapoint/${actuator}/value/`, {
    body: { value: "1", timestamp: Date.now() },
    status: 201,
  });
  await using connector = await TestConnector.connect(app, "c");
  await connector.heartbeat(1, 2);
  const text = await (await app.request("GET", "/metrics/")).text();
  expect(text).toContain(
    'bemcom_djangoapi_mqtt_messages_received_total{topic="c/messages/+/value",connector="c"} 1',
  );
  expect(text).toContain(
    'bemcom_djangoapi_mqtt_messages_published_total{topic="c/messages/+/value",connector="c"} 1',
  );
  expect(text).toContain(
    'bemcom_djangoapi_mqtt_messages_published_total{topic="c/datapoint_map",connector="c"}',
  );
  expect(text).toContain(
    'bemcom_djangoapi_mqtt_messages_received_total{topic="c/heartbeat",connector="c"} 1',
  );
});
