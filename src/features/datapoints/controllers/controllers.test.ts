import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../../test/app.ts";
import { describeDatapoints } from "../../../../test/datapoints.ts";
import { retainedOn, TestReader } from "../../../../test/retained.ts";
import { until } from "../../../../test/until.ts";

interface Controller {
  readonly id: number;
  readonly name: string;
  readonly mqtt_topic_controlled_datapoints: string;
}

interface Pair {
  readonly id: number;
  readonly is_active: boolean;
}

interface Listed {
  readonly sensor: { readonly value: string };
  readonly actuator: { readonly value: string; readonly setpoint: string; readonly schedule: string };
}

let count = 0;

/** A new connector with an active sensor and an active actuator. */
async function freshPair(app: TestApp): Promise<{ connector: string; sensor: number; actuator: number }> {
  const connector = `c${++count}`;
  const body = ["sensor", "actuator"].map((type) => ({
    connector: { name: connector },
    key_in_connector: type,
    type,
  }));
  const created = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  const [sensor = 0, actuator = 0] = created.map(({ id }) => id);
  await app.json("POST", "/datapoint/activate/", { body: { ids: [sensor, actuator] } });
  return { connector, sensor, actuator };
}

const addController = (app: TestApp, name: string, topic?: string): Promise<Controller> =>
  app.json("POST", "/controller/", {
    body: { name, ...(topic === undefined ? {} : { mqtt_topic_controlled_datapoints: topic }) },
    status: 201,
  });

const give = (app: TestApp, controller: number, sensor: number, actuator: number, more = {}): Promise<Pair> =>
  app.json("POST", "/controlled_datapoint/", {
    body: { controller, sensor_datapoint: sensor, actuator_datapoint: actuator, ...more },
    status: 201,
  });

const listed = (connector: string, sensor: number, actuator: number): Listed => ({
  sensor: { value: `${connector}/messages/${sensor}/value` },
  actuator: {
    value: `${connector}/messages/${actuator}/value`,
    setpoint: `${connector}/messages/${actuator}/setpoint`,
    schedule: `${connector}/messages/${actuator}/schedule`,
  },
});

const length = (wanted: number) => (list: readonly Listed[]) => list.length === wanted;

describeEachApp("lists of controllers", ({ engine, broker }) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ engine, broker });
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("follow pairs, datapoints and connectors", async () => {
    const controller = await addController(app, "heating");
    const topic = "heating/controlled_datapoints";
    expect(controller.mqtt_topic_controlled_datapoints).toBe(topic);
    await using reader = await TestReader.connect(app, topic);
    await reader.newest("the empty list", length(0));
    const { connector, sensor, actuator } = await freshPair(app);
    const pair = await give(app, controller.id, sensor, actuator);
    expect(await reader.newest("the pair", length(1))).toEqual([listed(connector, sensor, actuator)]);

    await app.json("PATCH", `/controlled_datapoint/${pair.id}/`, { body: { is_active: false } });
    await reader.newest("no pair that is switched off", length(0));
    await app.json("PATCH", `/controlled_datapoint/${pair.id}/`, { body: { is_active: true } });
    await reader.newest("the pair again", length(1));
    await app.json("PATCH", `/controlled_datapoint/${pair.id}/`, { body: { builtin: true } });
    await reader.newest("no pair that is Busbar's own", length(0));
    await app.json("PATCH", `/controlled_datapoint/${pair.id}/`, { body: { builtin: false } });
    await reader.newest("the pair again", length(1));
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [sensor] } });
    await reader.newest("no pair without an active sensor", length(0));
    await app.json("POST", "/datapoint/activate/", { body: { ids: [sensor] } });
    await reader.newest("the pair again", length(1));
    await app.json("PATCH", `/datapoint/${actuator}/`, { body: { type: "sensor", key_in_connector: "x" } });
    await reader.newest("no pair of two sensors", length(0));
    await app.json("PATCH", `/datapoint/${actuator}/`, { body: { type: "actuator" } });
    await reader.newest("the pair again", length(1));

    const [found] = await app.json<{ id: number }[]>("GET", `/connector/?name=${connector}`);
    await app.json("PATCH", `/connector/${found?.id}/`, { body: { name: `${connector}-new` } });
    await reader.newest<Listed[]>("the new topics", ([one]) => one?.sensor.value.includes("-new/") === true);
    await app.json("DELETE", `/datapoint/${sensor}/`, { status: 204 });
    await reader.newest("no pair of a deleted sensor", length(0));
    await app.json("GET", `/controlled_datapoint/${pair.id}/`, { status: 404 });
  });

  test("move with the topic, and are emptied when the controller goes", async () => {
    const { connector, sensor, actuator } = await freshPair(app);
    const controller = await addController(app, "cooling", "plant/cooling/list");
    await give(app, controller.id, sensor, actuator);
    await retainedOn(app, "plant/cooling/list", length(1));
    const body = { mqtt_topic_controlled_datapoints: "cooling" };
    await app.json("PATCH", `/controller/${controller.id}/`, { body });
    await retainedOn(app, "plant/cooling/list", length(0));
    const list = [listed(connector, sensor, actuator)];
    expect(await retainedOn<Listed[]>(app, "cooling", length(1))).toEqual(list);
    // Somebody else takes the topic over at once: it is not emptied any more.
    await addController(app, "other", "plant/cooling/list");
    await app.json("DELETE", `/controller/${controller.id}/`, { status: 204 });
    await retainedOn(app, "cooling", length(0));
    expect(await app.json("GET", `/controlled_datapoint/?controller=${controller.id}`)).toEqual([]);
    const again = await addController(app, "cooling", "cooling");
    await give(app, again.id, sensor, actuator);
    expect(await retainedOn<Listed[]>(app, "cooling", length(1))).toEqual(list);
  });
});

describe.skipIf(!inject("mosquitto"))("lists while the broker is away", () => {
  test("are emptied and filled when it is back, even over a restart and on an empty broker", async () => {
    await using app = await startTestApp({ broker: "mosquitto" });
    const { connector, sensor, actuator } = await freshPair(app);
    const gone = await addController(app, "gone");
    const stays = await addController(app, "stays");
    for (const { id } of [gone, stays]) await give(app, id, sensor, actuator);
    for (const name of ["gone", "stays"]) await retainedOn(app, `${name}/controlled_datapoints`, length(1));
    await app.mosquitto?.end();
    await until("the link to be down", () => !app.server.kernel.mqtt.status.connected);
    await app.json("DELETE", `/controller/${gone.id}/`, { status: 204 });
    await app.stop();
    await app.mosquitto?.start();
    await app.start();
    await retainedOn(app, "gone/controlled_datapoints", length(0));
    // Killed before it saved anything: what was retained is gone.
    await app.mosquitto?.end("SIGKILL");
    await until("the link to be down", () => !app.server.kernel.mqtt.status.connected);
    await app.mosquitto?.start();
    expect(await retainedOn<Listed[]>(app, "stays/controlled_datapoints", length(1))).toEqual([
      listed(connector, sensor, actuator),
    ]);
  });
});

describeDatapoints("controllers over HTTP", {}, (fixture) => {
  const { refused } = fixture;

  test("are added, read, changed, listed and deleted", async () => {
    const { app } = fixture;
    const created = await addController(app, "a controller");
    const path = `/controller/${created.id}/`;
    expect(created).toEqual({
      id: created.id,
      name: "a controller",
      mqtt_topic_controlled_datapoints: "a controller/controlled_datapoints",
    });
    const response = await app.request("GET", path);
    const etag = response.headers.get("etag") ?? "";
    expect(await response.json()).toEqual(created);
    const put = await app.request("PUT", path, { body: { name: "b" }, headers: { "if-match": etag } });
    expect(await put.json()).toEqual({
      id: created.id,
      name: "b",
      mqtt_topic_controlled_datapoints: "b/controlled_datapoints",
    });
    for (const method of ["PUT", "PATCH", "DELETE"]) {
      const body = method === "DELETE" ? {} : { body: { name: "c" } };
      expect((await app.request(method, path, { ...body, headers: { "if-match": etag } })).status).toBe(412);
    }
    await app.json("PATCH", path, { body: { name: "d" } });
    expect(await app.json("GET", path)).toMatchObject({
      name: "d",
      mqtt_topic_controlled_datapoints: "b/controlled_datapoints",
    });
    const second = await addController(app, "Second");
    expect(await app.json("GET", "/controller/?name__icontains=SECOND")).toEqual([second]);
    expect(await app.json("GET", "/controller/?name=second")).toEqual([]);
    const page = await app.request("GET", "/controller/?limit=1");
    expect(await page.json()).toHaveLength(1);
    expect(page.headers.get("link")).toContain('rel="next"');
    await app.json("DELETE", path, { status: 204 });
    for (const method of ["GET", "DELETE"]) await app.json(method, path, { status: 404 });
    await app.json("PATCH", path, { body: {}, status: 404 });
    const { changes, database } = app.server.kernel;
    const filter = { resource: "controller", object: String(created.id), limit: 10 };
    const recorded = await changes.list(database.read, filter);
    expect(recorded.map(({ action }) => action)).toEqual(["delete", "update", "update", "create"]);
  });

  const badTopics = [
    "",
    "a/+/b",
    "#",
    "$SYS/x",
    "a\nb",
    "c/logs",
    "c/datapoint_map",
    "c/messages/1/value",
    "c/heartbeat",
  ];

  test.each<readonly [object, string]>([
    [{}, "name"],
    [{ name: "" }, "name"],
    [{ name: " x" }, "name"],
    [{ name: "x".repeat(201) }, "name"],
    [{ name: "a+b" }, "mqtt_topic_controlled_datapoints"],
    ...badTopics.map(
      (topic) =>
        [{ name: "t", mqtt_topic_controlled_datapoints: topic }, "mqtt_topic_controlled_datapoints"] as const,
    ),
  ])("%j is refused, naming %s", async (body, field) => {
    expect(Object.keys((await refused("POST", "/controller/", body)).fields ?? {})).toEqual([field]);
  });

  test("names and topics are taken once", async () => {
    const { id } = await addController(fixture.app, "first", "one");
    const other = await addController(fixture.app, "other", "two");
    expect((await refused("POST", "/controller/", { name: "first" }, 409)).fields).toHaveProperty("name");
    const body = { name: "new", mqtt_topic_controlled_datapoints: "one" };
    expect((await refused("POST", "/controller/", body, 409)).fields).toHaveProperty(
      "mqtt_topic_controlled_datapoints",
    );
    await refused("PATCH", `/controller/${other.id}/`, { name: "first" }, 409);
    await fixture.app.json("PATCH", `/controller/${id}/`, { body: { name: "first" } });
    const both = await Promise.all(
      Array.from({ length: 4 }, () =>
        fixture.app.request("POST", "/controller/", { body: { name: "race" } }),
      ),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });

  test("pairs are given, read, changed, listed and taken", async () => {
    const { app } = fixture;
    const controller = await addController(app, "with pairs");
    const { sensor, actuator } = await freshPair(app);
    const created = await give(app, controller.id, sensor, actuator);
    const whole = {
      id: created.id,
      controller: controller.id,
      sensor_datapoint: sensor,
      actuator_datapoint: actuator,
      is_active: true,
      builtin: false,
    };
    expect(created).toEqual(whole);
    const path = `/controlled_datapoint/${created.id}/`;
    const etag = (await app.request("GET", path)).headers.get("etag") ?? "";
    expect(await app.json("PATCH", path, { body: { builtin: true, is_active: false } })).toEqual({
      ...whole,
      builtin: true,
      is_active: false,
    });
    const { id: _id, is_active: _active, builtin: _builtin, ...required } = whole;
    const stale = await app.request("PUT", path, { body: required, headers: { "if-match": etag } });
    expect(stale.status).toBe(412);
    expect(await app.json("PUT", path, { body: required })).toEqual(whole);
    for (const query of [`controller=${controller.id}`, `sensor_datapoint=${sensor}&is_active=true`])
      expect(await app.json("GET", `/controlled_datapoint/?${query}`)).toEqual([whole]);
    expect(
      await app.json("GET", `/controlled_datapoint/?actuator_datapoint=${actuator}&builtin=true`),
    ).toEqual([]);
    await app.json("GET", "/controlled_datapoint/?controller=x", { status: 400 });
    await app.json("DELETE", path, { status: 204 });
    await app.json("GET", path, { status: 404 });
  });

  test("pairs must fit, and be there once", async () => {
    const { app } = fixture;
    const { id } = await addController(app, "strict");
    const { sensor, actuator } = await freshPair(app);
    const path = "/controlled_datapoint/";
    const body = { controller: id, sensor_datapoint: sensor, actuator_datapoint: actuator };
    const fields = async (more: object) =>
      Object.keys((await refused("POST", path, { ...body, ...more })).fields ?? {});
    expect(await fields({ sensor_datapoint: actuator })).toEqual(["sensor_datapoint"]);
    expect(await fields({ actuator_datapoint: sensor })).toEqual(["actuator_datapoint"]);
    expect(await fields({ controller: 999_999, sensor_datapoint: 999_999 })).toEqual([
      "controller",
      "sensor_datapoint",
    ]);
    expect(await fields({ is_active: "yes", sensor_datapoint: "1" })).toEqual([
      "sensor_datapoint",
      "is_active",
    ]);
    const made = await Promise.all(Array.from({ length: 3 }, () => app.request("POST", path, { body })));
    expect(made.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    const [pair] = await app.json<Pair[]>("GET", `${path}?controller=${id}`);
    await refused("PATCH", `${path}${pair?.id}/`, { actuator_datapoint: sensor });
    await app.json("PATCH", `${path}${pair?.id}/`, { body: { builtin: true } });
    const other = await freshPair(app);
    const rival = { ...body, sensor_datapoint: other.sensor, builtin: true };
    expect((await refused("POST", path, rival, 409)).detail).toContain("built-in controller already");
    await app.json("POST", path, { body: { ...rival, is_active: false }, status: 201 });
  });
});
