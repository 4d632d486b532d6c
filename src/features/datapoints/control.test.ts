import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../test/app.ts";
import { describeDatapoints } from "../../../test/datapoints.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";

interface Heard {
  readonly topic: string;
  readonly message: unknown;
  readonly retained: boolean;
}

type Last = { readonly msgs_by_datapoint_id: Readonly<Record<string, unknown>> };

const cases = [
  {
    kind: "setpoint",
    written: [
      {
        from_timestamp: null,
        to_timestamp: null,
        preferred_value: "21.5",
        acceptable_values: [20, "21.0", "", null],
        min_value: 19,
        max_value: "23.5",
        unknown: 1,
      },
    ],
    native: [
      {
        from_timestamp: null,
        to_timestamp: null,
        preferred_value: 21.5,
        acceptable_values: ["20", "21.0", "", null],
        min_value: 19,
        max_value: 23.5,
      },
    ],
    text: [
      {
        from_timestamp: null,
        to_timestamp: null,
        preferred_value: "21.5",
        acceptable_values: ["20", "21.0", "", null],
        min_value: 19,
        max_value: 23.5,
      },
    ],
  },
  { kind: "setpoint", written: null, native: null, text: null },
  { kind: "setpoint", written: [], native: [], text: [] },
  {
    kind: "schedule",
    written: [
      { from_timestamp: null, to_timestamp: 1_800_000_000_000, value: "null" },
      { from_timestamp: 1_800_000_000_000, to_timestamp: null, value: '"on"' },
    ],
    native: [
      { from_timestamp: null, to_timestamp: 1_800_000_000_000, value: null },
      { from_timestamp: 1_800_000_000_000, to_timestamp: null, value: "on" },
    ],
    text: [
      { from_timestamp: null, to_timestamp: 1_800_000_000_000, value: "null" },
      { from_timestamp: 1_800_000_000_000, to_timestamp: null, value: '"on"' },
    ],
  },
  { kind: "schedule", written: [], native: [], text: [] },
] as const;

describeEachApp("setpoints and schedules", ({ engine, broker }) => {
  let app: TestApp;
  let client: MqttClient;
  const heard: Heard[] = [];
  let count = 0;

  beforeAll(async () => {
    app = await startTestApp({ engine, broker });
    client = await connectAsync(app.mqttUrl, { reconnectPeriod: 50 });
    client.on("message", (topic, payload, { retain }) => {
      heard.push({ topic, message: JSON.parse(payload.toString()), retained: retain });
    });
    await client.subscribeAsync("c/messages/#", { qos: 1 });
  });
  afterAll(async () => {
    await client?.endAsync(true);
    await app?.[Symbol.asyncDispose]();
  });

  const fresh = async (more: object = {}): Promise<number> => {
    const body = [{ connector: { name: "c" }, key_in_connector: `k${++count}`, type: "actuator", ...more }];
    const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    const id = created?.id ?? 0;
    await app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
    return id;
  };
  const list = (id: number, kind: string, query = "") =>
    app.json<unknown[]>("GET", `/datapoint/${id}/${kind}/${query}`);
  const last = async (id: number, kind: string, query = "") => {
    const path = `/datapoint/last_${kind}/?datapoint__id__in=${id}${query}`;
    return (await app.json<Last>("GET", path)).msgs_by_datapoint_id;
  };

  test.each(cases)("a $kind $written is published, stored and answered", async ({ kind, ...content }) => {
    const id = await fresh();
    const timestamp = Date.now();
    const topic = `c/messages/${id}/${kind}`;
    const body = { [kind]: content.written, timestamp, extra: 1 };
    const native = { [kind]: content.native, timestamp };
    const text = { [kind]: content.text, timestamp };
    expect(await app.json("POST", `/datapoint/${id}/${kind}/`, { body, status: 201 })).toEqual(native);
    await until("the echo", async () => (await list(id, kind)).length > 0);
    expect(await list(id, kind)).toEqual([text]);
    expect(await list(id, kind, "?values=native&limit=1")).toEqual([native]);
    expect(await last(id, kind)).toEqual({ [id]: text });
    expect(await last(id, kind, "&values=native")).toEqual({ [id]: native });
    expect(await app.json("GET", `/datapoint/${id}/${kind}/${timestamp}/`)).toEqual(text);
    await until("the message", () => heard.some((one) => one.topic === topic));
    expect(heard.filter((one) => one.topic === topic)).toEqual([{ topic, message: native, retained: false }]);
    // Who comes later finds it.
    await client.unsubscribeAsync("c/messages/#");
    await client.subscribeAsync("c/messages/#", { qos: 1 });
    await until("the retained one", () => heard.some((one) => one.topic === topic && one.retained));
    expect(heard.filter((one) => one.topic === topic)).toHaveLength(2);
    expect(heard.findLast((one) => one.topic === topic)?.message).toEqual(native);
  });

  test("what a client publishes itself is taken as it is, once, and malformed ones are left out", async () => {
    const id = await fresh({ data_format: "continuous_numeric", min_value: 0, max_value: 1 });
    const topic = `c/messages/${id}/setpoint`;
    const timestamp = Date.now();
    const setpoint = [{ preferred_value: 50, acceptable_values: [1, "2"], own: { a: 1 } }];
    for (const bad of [{ setpoint: 5 }, { setpoint: [5] }, { setpoint: "x" }, { schedule: [] }, {}])
      await client.publishAsync(topic, JSON.stringify({ ...bad, timestamp: timestamp + 1 }), { qos: 1 });
    for (let times = 0; times < 2; times += 1)
      await client.publishAsync(topic, JSON.stringify({ setpoint, timestamp }), { qos: 1, retain: true });
    await until("the setpoint", async () => (await list(id, "setpoint")).length > 0);
    expect(await list(id, "setpoint", "?values=native")).toEqual([{ setpoint, timestamp }]);
    expect(await list(id, "setpoint")).toEqual([
      {
        setpoint: [{ preferred_value: "50", acceptable_values: ["1", "2"], own: { a: 1 } }],
        timestamp,
      },
    ]);
    await client.publishAsync(`c/messages/${id}/schedule`, JSON.stringify({ schedule: null, timestamp }), {
      qos: 1,
    });
    await client.publishAsync(topic, JSON.stringify({ setpoint: null, timestamp: timestamp + 2 }), {
      qos: 1,
    });
    await until("null", async () => (await list(id, "setpoint")).length === 2);
    expect(await last(id, "setpoint")).toEqual({ [id]: { setpoint: null, timestamp: timestamp + 2 } });
    expect(await list(id, "schedule")).toEqual([]);
  });

  test("in native form acceptable values stay what they are", async () => {
    const id = await fresh({ data_format: "discrete_text", allowed_values: ["on"] });
    const item = {
      from_timestamp: null,
      to_timestamp: null,
      preferred_value: "on",
      acceptable_values: [20, "21", true],
    };
    const body = { setpoint: [item], timestamp: Date.now() };
    const path = `/datapoint/${id}/setpoint/?values=native`;
    expect(await app.json("POST", path, { body, status: 201 })).toEqual(body);
  });

  test("a sensor that becomes an actuator takes setpoints, and the other way round", async () => {
    const id = await fresh({ type: "sensor" });
    const topic = `c/messages/${id}/setpoint`;
    await app.json("PATCH", `/datapoint/${id}/`, { body: { type: "actuator" } });
    const body = { setpoint: [], timestamp: Date.now() };
    await app.json("POST", `/datapoint/${id}/setpoint/`, { body, status: 201 });
    await until("the echo", async () => (await list(id, "setpoint")).length === 1);
    await app.json("PATCH", `/datapoint/${id}/`, { body: { type: "sensor" } });
    await app.json("POST", `/datapoint/${id}/setpoint/`, { body, status: 400 });
    await client.publishAsync(topic, JSON.stringify({ setpoint: null, timestamp: body.timestamp + 1 }), {
      qos: 1,
    });
    expect(await list(id, "setpoint")).toEqual([body]);
  });

  test("what is sent shows in the catalogue of streams, in the figures and in the changes", async () => {
    const id = await fresh();
    const body = { schedule: [], timestamp: Date.now() };
    await app.json("POST", `/datapoint/${id}/schedule/`, { body, status: 201 });
    await until("the echo", async () => (await list(id, "schedule")).length === 1);
    const streams = await app.json<{ streams: { key: string }[] }>("GET", `/streams/?search=${id}/`);
    expect(JSON.stringify(streams)).toContain(`"${id}/schedule"`);
    const metrics = await (await app.request("GET", "/metrics/")).text();
    for (const direction of ["received", "published"])
      expect(metrics).toContain(
        `bemcom_djangoapi_mqtt_messages_${direction}_total{topic="c/messages/+/schedule",connector="c"}`,
      );
    const { changes, database } = app.server.kernel;
    const [change] = await changes.list(database.read, {
      resource: "datapointschedule",
      object: String(id),
      limit: 1,
    });
    expect(change).toMatchObject({ action: "create", actor: { name: "admin" }, after: body });
  });

  test("everything of it goes with the datapoint", async () => {
    const id = await fresh();
    const body = [{ setpoint: [], timestamp: Date.now() }];
    await app.json("PUT", `/datapoint/${id}/setpoint/`, { body });
    await app.json("DELETE", `/datapoint/${id}/`, { status: 204 });
    await app.json("GET", `/datapoint/${id}/setpoint/`, { status: 404 });
    expect(JSON.stringify(await app.json("GET", `/streams/?search=${id}/setpoint`))).not.toContain(
      `"${id}/setpoint"`,
    );
  });
});

describeEachEngine("switching the control extension on", (engine) => {
  test("lets active actuators from before take setpoints", async () => {
    const env: Record<string, string> = { ACTIVATE_CONTROL_EXTENSION: "FALSE" };
    await using app = await startTestApp({ engine, broker: "embedded", env });
    const body = [{ connector: { name: "c" }, key_in_connector: "k", type: "actuator" }];
    const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    await app.json("POST", "/datapoint/activate/", { body: { ids: [created?.id] } });
    const path = `/datapoint/${created?.id}/setpoint/`;
    await app.json("GET", path, { status: 404 });
    env["ACTIVATE_CONTROL_EXTENSION"] = "TRUE";
    await app.restart();
    const setpoint = { setpoint: [], timestamp: Date.now() };
    await app.json("POST", path, { body: setpoint, status: 201 });
    await until("the echo", async () => (await app.json<unknown[]>("GET", path)).length === 1);
  });
});

const t0 = 1_700_000_000_000;
/** Fixed, so that the window of timestamps is known. */
const clock = { now: () => t0 + 3_600_000 };
const item = { from_timestamp: null, to_timestamp: null };

describeDatapoints("the rules of setpoints and schedules", { clock }, (fixture) => {
  const { fresh, refused } = fixture;
  const put = (id: number, kind: string, content: unknown) =>
    ["PUT", `/datapoint/${id}/${kind}/`, [{ [kind]: content, timestamp: t0 }]] as const;

  const numeric = { data_format: "generic_numeric" };
  const continuous = { data_format: "continuous_numeric", min_value: 0, max_value: 10 };
  const discrete = { data_format: "discrete_numeric", allowed_values: [1, 2] };
  const discreteText = { data_format: "discrete_text", allowed_values: ["on", null] };
  const range = { min_value: null, max_value: 5.5 };

  test.each([
    ["setpoint", numeric, { ...item, preferred_value: "1" }],
    ["setpoint", numeric, { ...item, preferred_value: null }],
    ["setpoint", { data_format: "generic_text" }, { ...item, preferred_value: '"a"' }],
    ["setpoint", { data_format: "bool" }, { ...item, preferred_value: "true" }],
    ["setpoint", continuous, { ...item, preferred_value: "10", ...range }],
    ["setpoint", discrete, { ...item, preferred_value: "1.0", acceptable_values: null }],
    ["setpoint", discreteText, { ...item, preferred_value: '"on"', acceptable_values: [] }],
    ["setpoint", {}, { ...item, preferred_value: '{"a":[1]}' }],
    ["setpoint", numeric, { from_timestamp: t0, to_timestamp: t0 + 1, preferred_value: "1" }],
    ["setpoint", numeric, { from_timestamp: String(t0), to_timestamp: null, preferred_value: "1" }],
    ["schedule", numeric, { ...item, value: "1" }],
    ["schedule", continuous, { ...item, value: "10" }],
    ["schedule", discrete, { ...item, value: "2" }],
    ["schedule", discreteText, { ...item, value: "null" }],
    ["schedule", { data_format: "bool" }, { ...item, value: false }],
  ])("a %s for %j may be %j", async (kind, more, content) => {
    const id = await fresh({ type: "actuator", ...more });
    const [method, path, body] = put(id, kind, [content]);
    expect(await fixture.app.json(method, path, { body })).toEqual({ msgs_created: 1, msgs_updated: 0 });
  });

  const shape = (kind: string, content: unknown) => ({ [kind]: content });
  const missing = ["This field is required."];

  test.each([
    [
      "setpoint",
      numeric,
      [{}],
      [{ from_timestamp: missing, to_timestamp: missing, preferred_value: missing }],
    ],
    [
      "setpoint",
      continuous,
      [{ ...item, preferred_value: "1" }],
      [{ min_value: missing, max_value: missing }],
    ],
    ["setpoint", discrete, [{ ...item, preferred_value: "1" }], [{ acceptable_values: missing }]],
    ["setpoint", discreteText, [{ ...item, preferred_value: "null" }], [{ acceptable_values: missing }]],
    [
      "schedule",
      numeric,
      [{ ...item, value: "1" }, { value: "1" }],
      [{}, { from_timestamp: missing, to_timestamp: missing }],
    ],
    ["setpoint", numeric, { a: 1 }, { non_field_errors: [expect.stringContaining("list of items")] }],
    ["schedule", numeric, "x", { non_field_errors: [expect.stringContaining("list of items")] }],
    ["schedule", numeric, null, [expect.stringContaining("may not be null")]],
    ["setpoint", numeric, [5, [], null], Array(3).fill({ non_field_errors: [expect.any(String)] })],
    [
      "setpoint",
      {},
      [{ from_timestamp: 1.5, to_timestamp: "2020-01-01", preferred_value: "NaN" }],
      [
        {
          from_timestamp: [expect.stringContaining("integer")],
          to_timestamp: [expect.stringContaining("integer")],
          preferred_value: [expect.stringContaining("cannot be parsed as JSON")],
        },
      ],
    ],
    [
      "setpoint",
      {},
      [{ ...item, preferred_value: "1", acceptable_values: "x", min_value: true, max_value: "nan" }],
      [
        {
          acceptable_values: [expect.any(String)],
          min_value: [expect.stringContaining("number")],
          max_value: [expect.stringContaining("number")],
        },
      ],
    ],
    [
      "setpoint",
      {},
      [{ ...item, preferred_value: "1", acceptable_values: [{}] }],
      [{ acceptable_values: [expect.stringContaining("valid string")] }],
    ],
    [
      "schedule",
      numeric,
      [{ ...item, value: '"x"' }],
      [expect.stringContaining("cannot be parsed to float")],
    ],
    [
      "setpoint",
      numeric,
      [{ ...item, preferred_value: "true" }],
      [expect.stringContaining("cannot be parsed to float")],
    ],
    [
      "schedule",
      continuous,
      [{ ...item, value: "11" }],
      [expect.stringContaining("greater than the maximum")],
    ],
    ["schedule", discrete, [{ ...item, value: "3" }], [expect.stringContaining("allowed values")]],
    [
      "schedule",
      { data_format: "bool" },
      [{ ...item, value: "null" }],
      [expect.stringContaining("true or false")],
    ],
    [
      "schedule",
      { data_format: "generic_text" },
      [{ ...item, value: "1" }],
      [expect.stringContaining("a text or null")],
    ],
    [
      "schedule",
      numeric,
      [{ from_timestamp: t0, to_timestamp: t0, value: "1" }],
      [expect.stringContaining("timestamp must be larger")],
    ],
    [
      "setpoint",
      numeric,
      [{ from_timestamp: null, to_timestamp: t0 / 1000, preferred_value: "1" }],
      [expect.stringContaining("seems unreasonably low")],
    ],
    [
      "setpoint",
      numeric,
      [{ from_timestamp: t0 * 1000, to_timestamp: null, preferred_value: "1" }],
      [expect.stringContaining("seems unreasonably high")],
    ],
  ])("a %s for %j is refused as %j, naming what is wrong", async (kind, more, content, fault) => {
    const id = await fresh({ type: "actuator", ...more });
    const single = { [kind]: content, timestamp: t0 };
    const refusal = await refused("POST", `/datapoint/${id}/${kind}/`, single);
    expect(refusal.fields).toEqual(shape(kind, fault));
    expect(refusal.detail).toContain(kind);
    const good = { [kind]: [], timestamp: t0 };
    const bulk = await refused("PUT", `/datapoint/${id}/${kind}/`, [good, single]);
    expect(bulk.items).toEqual([{}, shape(kind, fault)]);
    expect(await fixture.app.json("GET", `/datapoint/${id}/${kind}/`)).toEqual([]);
  });

  test.each(["setpoint", "schedule"])("a %s without its members, or too large, is refused", async (kind) => {
    const id = await fresh({ type: "actuator" });
    const path = `/datapoint/${id}/${kind}/`;
    expect((await refused("POST", path, {})).fields).toEqual({ [kind]: missing, timestamp: missing });
    const value = JSON.stringify("x".repeat(100_000));
    const big = Array.from({ length: 3 }, () => ({ ...item, value, preferred_value: value }));
    const fields = (await refused("POST", path, { [kind]: big, timestamp: t0 })).fields;
    expect(fields?.[kind]?.join()).toContain("characters");
    await refused("POST", path, [], 400);
  });

  test.each(["setpoint", "schedule"])("a sensor has no %ss, and takes none", async (kind) => {
    const id = await fresh();
    expect(await fixture.app.json("GET", `/datapoint/${id}/${kind}/`)).toEqual([]);
    const refusal = await refused("POST", `/datapoint/${id}/${kind}/`, {});
    expect(refusal.fields).toEqual({ non_field_errors: [expect.stringContaining("sensor")] });
    await fixture.app.json("GET", `/datapoint/999999/${kind}/`, { status: 404 });
    // Into the history it may be written: a backup of the existing system may hold some.
    const body = [{ [kind]: [], timestamp: t0 }];
    expect(await fixture.app.json("PUT", `/datapoint/${id}/${kind}/`, { body })).toMatchObject({
      msgs_created: 1,
    });
  });

  describe.each(["setpoint", "schedule"] as const)("the history of %ss", (kind) => {
    const message = (minutes: number) => ({ [kind]: [], timestamp: t0 + minutes * 60_000 });

    test("is put, filtered, paged, replaced and deleted", async () => {
      const id = await fresh({ type: "actuator" });
      const path = `/datapoint/${id}/${kind}/`;
      const body = [message(0), message(1), message(2), message(2)];
      expect(await fixture.app.json("PUT", path, { body })).toEqual({ msgs_created: 3, msgs_updated: 0 });
      expect(await fixture.app.json("PUT", path, { body: [message(1)] })).toEqual({
        msgs_created: 0,
        msgs_updated: 1,
      });
      const between = `?timestamp__gt=${t0}&timestamp__lte=${t0 + 60_000}&interval=1+hour&offset=0`;
      expect(await fixture.app.json("GET", `${path}${between}`)).toEqual([message(1)]);
      const page = await fixture.app.request("GET", `${path}?limit=2`);
      expect(await page.json()).toEqual([message(0), message(1)]);
      const next = /<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
      expect(
        await fixture.app.json(
          "GET",
          new URL(next, fixture.app.url).pathname + new URL(next, fixture.app.url).search,
        ),
      ).toEqual([message(2)]);
      const single = `${path}${t0}/`;
      expect(await fixture.app.json("PUT", single, { body: message(0), status: 201 })).toEqual(message(0));
      await fixture.app.json("PUT", single, { body: message(1), status: 400 });
      await fixture.app.json("DELETE", single, { status: 204 });
      await fixture.app.json("DELETE", single, { status: 404 });
      await fixture.app.json("GET", single, { status: 404 });
      expect(await fixture.app.json("GET", path)).toEqual([message(1), message(2)]);
    });
  });
});
