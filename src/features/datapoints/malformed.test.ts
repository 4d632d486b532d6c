import { expect, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

/** Parts of messages that could not be taken, by kind of topic. */
const malformed = async (app: TestApp, topic: string): Promise<number> => {
  const metric = await app.server.kernel.metrics
    .getSingleMetric("busbar_datapoints_malformed_messages_total")
    ?.get();
  const own = metric?.values.filter(({ labels }) => labels["topic"] === topic) ?? [];
  return own.reduce((sum, { value }) => sum + value, 0);
};

const t0 = 1_700_000_000_000;

describeEachApp("messages that are not taken", (kind) => {
  test("malformed messages of every kind are counted, and the next good one is taken", async () => {
    await using app = await startTestApp(kind);
    const { id } = await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1 } });
    const [a] = await announced(app, "c", 1);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [a?.id] } });
    await connector.map("the map", ({ sensor }) => "a" in sensor);
    const topic = `c/messages/${a?.id}/value`;
    const values = () =>
      app.json<{ value: string; timestamp: number }[]>("GET", `/datapoint/${a?.id}/value/`);
    await until("the subscription", async () => {
      await connector.publish(topic, { value: 0, timestamp: t0 });
      return (await values()).length === 1;
    });
    const nasty = [
      "",
      "{",
      "null",
      "5",
      "[]",
      '"x"',
      "[".repeat(100_000),
      `{"value":${"[".repeat(50_000)}${"]".repeat(50_000)},"timestamp":${t0}}`,
      '{"value":1}',
      '{"timestamp":1}',
      '{"value":1,"timestamp":"1700000000000"}',
      '{"value":1,"timestamp":null}',
      '{"value":1,"timestamp":1e300}',
      '{"value":1,"timestamp":NaN}',
      `{"value":9007199254740993,"timestamp":${t0}}`,
      `{"value":1e999,"timestamp":${t0}}`,
      Buffer.from([0xff, 0xfe, 0x00]),
      `{"value":"${"x".repeat(300_000)}","timestamp":${t0}}`,
    ];
    for (const payload of nasty) await connector.publish(topic, payload);
    expect(nasty).toHaveLength(18);
    await until("18 malformed values", async () => (await malformed(app, "messages/+/value")) === 18);
    const logs = [
      "",
      "{",
      "[]",
      '{"msg":"x","level":20}',
      '{"timestamp":1,"msg":5,"level":20}',
      '{"timestamp":1,"msg":"x","level":"high"}',
      '{"timestamp":1,"msg":"x","level":20,"emitter":7}',
    ];
    for (const payload of logs) await connector.publish("c/logs", payload);
    await until("7 malformed logs", async () => (await malformed(app, "logs")) === 7);
    const heartbeats = [
      "",
      "7",
      "{}",
      '{"this_heartbeats_timestamp":1}',
      '{"this_heartbeats_timestamp":1,"next_heartbeats_timestamp":"2"}',
    ];
    for (const payload of heartbeats) await connector.publish("c/heartbeat", payload);
    // At least: some brokers deliver once per matching subscription, and discovery's wildcards match, too.
    await until("5 malformed heartbeats", async () => (await malformed(app, "heartbeat")) >= 5);
    // Each wrong part of an announcement counts.
    const announcements = ["", "[]", "{}", '{"sensors":{"z":1}}', '{"sensor":[1],"actuator":null}'];
    for (const payload of announcements) await connector.publish("c/available_datapoints", payload);
    await until("7 malformed parts", async () => (await malformed(app, "available_datapoints")) >= 7);
    await connector.publish("c/available_datapoints", '{"sensor":{"":1,"nul\\u0000":2,"good":3},"what":5}');
    expect((await announced(app, "c", 2)).map((one) => one.key_in_connector)).toEqual(["a", "good"]);
    await connector.publish(topic, { value: "still there", timestamp: t0 + 1 });
    await until("the good one", async () => (await values()).length === 2);
    expect(await values()).toEqual([
      { value: "0", timestamp: t0 },
      { value: '"still there"', timestamp: t0 + 1 },
    ]);
    expect(await app.json("GET", `/connector/${id}/logs/`)).toEqual([]);
    expect(await app.json("GET", `/connector/${id}/`)).toMatchObject({ alive: null });
  });

  test("values of deactivated and of unknown datapoints are not stored", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1, b: 1 } });
    const [a, b] = await announced(app, "c", 2);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [a?.id, b?.id] } });
    await connector.map("the map", ({ sensor }) => "b" in sensor);
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [a?.id] } });
    await connector.publish(`c/messages/${a?.id}/value`, { value: 1, timestamp: t0 });
    await connector.publish("c/messages/4711/value", { value: 1, timestamp: t0 });
    await connector.publish("c/messages/x/value/y", { value: 1, timestamp: t0 });
    await until("the other one", async () => {
      await connector.publish(`c/messages/${b?.id}/value`, { value: 1, timestamp: t0 });
      return (await app.json<object[]>("GET", `/datapoint/${b?.id}/value/`)).length === 1;
    });
    expect(await app.json("GET", `/datapoint/${a?.id}/value/`)).toEqual([]);
  });
});
