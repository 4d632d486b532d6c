import { afterAll, beforeAll, expect, test } from "vitest";
import { adminName, adminPassword, startTestApp, type TestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";

const authorization = `Basic ${Buffer.from(`${adminName}:${adminPassword}`).toString("base64")}`;

describeEachEngine("sending values to actuators", (engine) => {
  let app: TestApp;
  let connector: TestConnector;
  let count = 0;

  beforeAll(async () => {
    app = await startTestApp({ engine, broker: "embedded" });
    connector = await TestConnector.connect(app, "c");
  });
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]();
    await app?.[Symbol.asyncDispose]();
  });

  const fresh = async (more: object = {}, activate = true): Promise<number> => {
    const body = [{ connector: { name: "c" }, key_in_connector: `k${++count}`, type: "actuator", ...more }];
    const created = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    const id = created[0]?.id ?? 0;
    if (activate) await app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
    return id;
  };
  const stored = (id: number) => app.json<{ value: string }[]>("GET", `/datapoint/${id}/value/`);

  test.each([
    ["a number as text", '"17.0"', 17],
    ["a number", "17.5", 17.5],
    ["a text", '"\\"on\\""', "on"],
    ["null", "null", null],
    ["null as text", '"null"', null],
    ["true", "true", true],
    ["an array", "[1,2]", [1, 2]],
    ["an object as text", '"{\\"a\\":1}"', { a: 1 }],
  ])("%s is published and answered natively, and stored once", async (_what, written, native) => {
    const id = await fresh();
    const timestamp = Date.now();
    const body = `{"value":${written},"timestamp":${timestamp},"extra":1}`;
    const answer = await app.json("POST", `/datapoint/${id}/value/`, { body, status: 201 });
    expect(answer).toEqual({ value: native, timestamp });
    await until("the echo", async () => (await stored(id)).length > 0);
    expect(await stored(id)).toEqual([{ value: JSON.stringify(native), timestamp }]);
    const last = await app.json<{ msgs_by_datapoint_id: object }>(
      "GET",
      `/datapoint/last_value/?datapoint__id__in=${id}`,
    );
    expect(last.msgs_by_datapoint_id).toEqual({ [id]: { value: JSON.stringify(native), timestamp } });
  });

  test("in native form a text is a text", async () => {
    const id = await fresh();
    const body = { value: "on", timestamp: Date.now() };
    expect(await app.json("POST", `/datapoint/${id}/value/?values=native`, { body, status: 201 })).toEqual(
      body,
    );
  });

  test("forms are taken, urlencoded and multipart", async () => {
    const id = await fresh({ data_format: "generic_numeric" });
    const timestamp = String(Date.now());
    const form = new FormData();
    form.set("value", "2.5");
    form.set("timestamp", timestamp);
    for (const body of [new URLSearchParams({ value: "2.5", timestamp }), form]) {
      const response = await fetch(`${app.url}/datapoint/${id}/value/`, {
        method: "POST",
        headers: { authorization },
        body,
      });
      expect(response.status).toBe(201);
      expect(await response.json()).toEqual({ value: 2.5, timestamp: Number(timestamp) });
    }
  });

  test.each([
    [{ data_format: "continuous_numeric", min_value: 0, max_value: 10 }, "11", "maximum"],
    [{ data_format: "generic_numeric" }, '"x"', "cannot be parsed to float"],
    [{ data_format: "discrete_text", allowed_values: ["on"] }, '"off"', "allowed values"],
    [{ data_format: "bool" }, "1", "true or false"],
    [{}, "NaN", "cannot be parsed as JSON"],
  ])("what %j does not take, as %s, never reaches the wire", async (more, value, text) => {
    const id = await fresh(more);
    const seen = connector.commands.length;
    const body = { value, timestamp: Date.now() };
    const answer = await app.json<{ fields: Record<string, string[]> }>("POST", `/datapoint/${id}/value/`, {
      body,
      status: 400,
    });
    expect(answer.fields["value"]?.join()).toContain(text);
    const old = { value: "true", timestamp: Date.now() - 6e11 };
    await app.json("POST", `/datapoint/${id}/value/`, { body: old, status: 400 });
    expect(await stored(id)).toEqual([]);
    expect(connector.commands).toHaveLength(seen);
  });

  test("to an inactive actuator it goes out, and nobody stores it", async () => {
    const id = await fresh({}, false);
    const got: string[] = [];
    const listen = (topic: string, payload: Buffer) => {
      if (topic.includes(`/${id}/`)) got.push(payload.toString());
    };
    connector.client.on("message", listen);
    await connector.client.subscribeAsync(`c/messages/${id}/value`, { qos: 1 });
    const body = { value: "1", timestamp: Date.now() };
    await app.json("POST", `/datapoint/${id}/value/`, { body, status: 201 });
    await until("the message", () => got.length > 0);
    connector.client.off("message", listen);
    expect(JSON.parse(got[0] ?? "")).toEqual({ ...body, value: 1 });
    expect(await stored(id)).toEqual([]);
  });

  test("who sent it is recorded", async () => {
    const id = await fresh();
    const body = { value: "1", timestamp: Date.now() };
    await app.json("POST", `/datapoint/${id}/value/`, { body, status: 201 });
    const { changes, database } = app.server.kernel;
    const [change] = await changes.list(database.read, {
      resource: "datapointvalue",
      object: String(id),
      limit: 1,
    });
    expect(change).toMatchObject({
      action: "create",
      actor: { name: "admin" },
      after: { ...body, value: 1 },
    });
  });

  test("HEAD answers like GET without a body; long answers are packed on request", async () => {
    const id = await fresh();
    const now = Date.now();
    const body = Array.from({ length: 2000 }, (_, index) => ({
      value: index,
      timestamp: now - index * 1000,
    }));
    await app.json("PUT", `/datapoint/${id}/value/`, { body });
    for (const path of ["/datapoint/", `/datapoint/${id}/value/`, "/datapoint/last_value/"]) {
      const head = await app.request("HEAD", path);
      expect([path, head.status, await head.text()]).toEqual([path, 200, ""]);
    }
    const packed = await app.request("GET", `/datapoint/${id}/value/`, {
      headers: { "accept-encoding": "gzip" },
    });
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(await packed.json()).toHaveLength(2000);
  });
});
