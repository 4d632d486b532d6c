import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { expect, test } from "vitest";
import { describeEachEngine, type TestEngine } from "../../../test/engines.ts";
import { RawClient } from "../../../test/mqtt/raw-client.ts";
import { until } from "../../../test/until.ts";
import type { Database } from "../database/engine.ts";
import { Problem } from "../errors.ts";
import type { Principal } from "../identity/principal.ts";
import { createLog } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { systemClock } from "../time.ts";
import { brokerTables } from "./broker-tables.ts";
import { createEmbeddedLink, type EmbeddedLinkOptions } from "./embedded.ts";
import { createExternalLink } from "./external.ts";
import type { InboundMessage, MessageHandler } from "./link.ts";
import { mqttMigrations } from "./migrations.ts";

const textOf = (message: InboundMessage) => Buffer.from(message.payload).toString();

const principals: Record<string, Partial<Principal>> = {
  device: {},
  other: {},
  admin: { isSuperuser: true },
};

const authenticate = async (name: string, secret: string): Promise<Principal | undefined> => {
  const known = principals[name];
  if (secret === "throttled") throw new Problem("too-many-requests");
  if (!known || secret !== `${name}-secret`) return undefined;
  return {
    id: 1,
    kind: "user",
    name,
    isSuperuser: false,
    isStaff: false,
    via: "token",
    grants: [],
    ...known,
  };
};

async function startLink(
  database: Database,
  handle: MessageHandler = () => undefined,
  more: Partial<EmbeddedLinkOptions> & { readonly filters?: readonly string[] } = {},
) {
  const metrics = createMetrics();
  const messages: InboundMessage[] = [];
  const { filters = [], ...options } = more;
  const link = createEmbeddedLink({
    host: "127.0.0.1",
    port: 0,
    anonymous: false,
    database,
    log: createLog("silent"),
    metrics,
    clock: systemClock,
    authenticate,
    ...options,
  });
  link.setSubscriptions(new Set(filters));
  let ready = 0;
  await link.start({
    onMessage: (message) => {
      messages.push(message);
      return handle(message);
    },
    onReady: () => {
      ready += 1;
    },
  });
  const client = async (options: IClientOptions = {}): Promise<MqttClient & AsyncDisposable> => {
    const connected = await connectAsync(`mqtt://127.0.0.1:${link.port}`, { reconnectPeriod: 0, ...options });
    return Object.assign(connected, { [Symbol.asyncDispose]: () => connected.endAsync(true) });
  };
  const raw = async (options: Parameters<typeof RawClient.connect>[1] = {}) => {
    const client = await RawClient.connect(link.port, options);
    await client.connack();
    return client;
  };
  return {
    link,
    messages,
    metrics,
    client,
    raw,
    ready: () => ready,
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

const open = (engine: TestEngine) => engine.open({ migrations: mqttMigrations });

describeEachEngine("embedded link", (engine) => {
  test("sends no PUBACK, no PUBREC and nothing on before the handler's promise has resolved", async () => {
    await using database = await open(engine);
    const commit = Promise.withResolvers<void>();
    await using broker = await startLink(
      database,
      ({ topic }) => (topic === "now" ? undefined : commit.promise),
      {
        filters: ["a", "now"],
      },
    );
    expect(broker.ready()).toBe(1);
    await using reader = await broker.raw({ clientId: "reader" });
    await reader.subscribe("a", 0);
    await using sender = await broker.raw({ clientId: "sender" });
    for (let id = 1; id <= 5; id++) sender.publish("a", `${id}`, { messageId: id });
    sender.publish("a", "6", { qos: 2, messageId: 6 });
    await until("the messages", () => broker.messages.length === 6);
    await using another = await broker.raw({ clientId: "another" });
    another.publish("now", "x");
    await until("the other's PUBACK", () => another.of("puback").length === 1);
    expect(sender.of("puback")).toEqual([]);
    expect(sender.of("pubrec")).toEqual([]);
    expect(reader.of("publish")).toEqual([]);
    commit.resolve();
    await until(
      "the acknowledgements",
      () => sender.of("puback").length === 5 && sender.of("pubrec").length === 1,
    );
    expect(sender.of("puback").map((packet) => packet.messageId)).toEqual([1, 2, 3, 4, 5]);
    await until("the delivery", () => reader.of("publish").length === 6);
    // The order of messages holds per quality of service.
    const payloads = reader.of("publish").map((packet) => packet.payload.toString());
    expect(payloads.filter((payload) => payload !== "6")).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("acknowledges in the order of arrival, whatever resolves first", async () => {
    await using database = await open(engine);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    await using broker = await startLink(
      database,
      ({ topic }) => (topic === "1" ? first.promise : topic === "2" ? second.promise : undefined),
      { filters: ["1", "2", "3"] },
    );
    await using sender = await broker.raw();
    for (const [index, topic] of ["1", "2", "3", "1"].entries())
      sender.publish(topic, "x", { messageId: index + 1 });
    await until("the messages", () => broker.messages.length === 4);
    second.resolve();
    await using another = await broker.raw({ clientId: "another" });
    another.publish("now", "x");
    await until("the other's PUBACK", () => another.of("puback").length === 1);
    expect(sender.of("puback")).toEqual([]);
    first.resolve();
    await until("the acknowledgements", () => sender.of("puback").length === 4);
    expect(sender.of("puback").map((packet) => packet.messageId)).toEqual([1, 2, 3, 4]);
  });

  test("closes the sender's connection when a promise rejects, and takes the message again", async () => {
    await using database = await open(engine);
    let failures = 1;
    await using broker = await startLink(
      database,
      () => (failures-- > 0 ? Promise.reject(new Error("disk full")) : Promise.resolve()),
      { filters: ["a"] },
    );
    await using bystander = await broker.raw({ clientId: "bystander" });
    await using sender = await broker.client({ clientId: "sender", clean: false, reconnectPeriod: 10 });
    await sender.publishAsync("a", "precious", { qos: 1 });
    expect(broker.messages.map(textOf)).toEqual(["precious", "precious"]);
    expect(bystander.closed).toBe(false);
    expect(await broker.metrics.metrics()).toContain('busbar_mqtt_handler_failures_total{kind="rejected"} 1');
  });

  test("a handler that throws does not stop the broker", async () => {
    await using database = await open(engine);
    await using broker = await startLink(
      database,
      () => {
        throw new TypeError("no such thing");
      },
      { filters: ["a"] },
    );
    await using sender = await broker.client();
    await sender.publishAsync("a", "1", { qos: 1 });
    await sender.publishAsync("a", "2", { qos: 2 });
    expect(broker.messages).toHaveLength(2);
  });

  test("hands over what is subscribed only, live messages as not retained, own publications once", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database, undefined, { filters: ["in/+", "in/a"] });
    await using client = await broker.client();
    await client.subscribeAsync("#", { qos: 1 });
    const seen: string[] = [];
    client.on("message", (topic) => seen.push(topic));
    await client.publishAsync("out/a", "x", { qos: 1 });
    await client.publishAsync("in/a", "1", { qos: 1, retain: true });
    for (const qos of [0, 1, 2] as const)
      await broker.link.publish({ topic: "in/b", payload: "own", qos, retain: false });
    await until("the deliveries", () => seen.length === 5);
    expect(broker.messages.map(({ topic, retained }) => [topic, retained])).toEqual([
      ["in/a", false],
      ["in/b", false],
      ["in/b", false],
      ["in/b", false],
    ]);
    expect(seen).toEqual(["out/a", "in/a", "in/b", "in/b", "in/b"]);
  });

  test("forwards a QoS 0 message of a client that leaves before the commit", async () => {
    await using database = await open(engine);
    const commit = Promise.withResolvers<void>();
    await using broker = await startLink(database, () => commit.promise, { filters: ["a"] });
    await using reader = await broker.raw({ clientId: "reader" });
    await reader.subscribe("a", 1);
    await using hasty = await RawClient.connect(broker.link.port, { clientId: "hasty" });
    hasty.publish("a", "x", { qos: 0 });
    hasty.send({ cmd: "disconnect" });
    await until("the message", () => broker.messages.length === 1);
    await until("the end of the connection", () => hasty.closed);
    expect(reader.of("publish")).toEqual([]);
    commit.resolve();
    await until("the delivery", () => reader.of("publish").length === 1);
  });

  test("delivers a retained message and the one right after it, in this order", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    await using reader = await broker.raw({ clientId: "reader" });
    await reader.subscribe("#", 1);
    await using sender = await broker.raw({ clientId: "sender" });
    for (let id = 1; id < 100; id += 2) {
      sender.publish("a", `${id}`, { qos: 1, retain: true, messageId: id });
      sender.publish("a", `${id + 1}`, { qos: 0 });
    }
    await until("all", () => reader.of("publish").length === 100);
  });

  test("replays retained messages to a new subscription of ours", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    await using client = await broker.client();
    await client.publishAsync("pump/available_datapoints", "{}", { qos: 1, retain: true });
    await client.publishAsync("pump/logs", "{}", { qos: 1, retain: false });
    expect(broker.messages).toEqual([]);
    broker.link.setSubscriptions(new Set(["pump/available_datapoints", "pump/logs"]));
    await until("the replay", () => broker.messages.length === 1);
    expect(broker.messages[0]).toMatchObject({ topic: "pump/available_datapoints", retained: true });
  });

  test("a device publishes and reads below its own name only", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database, undefined, { filters: ["#"] });
    const login = { username: "device", password: Buffer.from("device-secret") };
    await using device = await broker.raw({ clientId: "device", ...login });
    expect(await device.subscribe("other/#")).toBe(128);
    expect(await device.subscribe("#")).toBe(128);
    expect(await device.subscribe("device/#")).toBe(1);
    device.publish("device/logs", "mine");
    await until("PUBACK", () => device.of("puback").length === 1);
    device.publish("other/logs", "not mine", { messageId: 2 });
    await until("the connection to be closed", () => device.closed);
    expect(broker.messages.map(textOf)).toEqual(["mine"]);
    await using admin = await broker.raw({
      clientId: "admin",
      username: "admin",
      password: Buffer.from("admin-secret"),
    });
    expect(await admin.subscribe("#")).toBe(1);
    admin.publish("other/logs", "admin's");
    await until("PUBACK", () => admin.of("puback").length === 1);
    expect(await broker.metrics.metrics()).toContain("busbar_mqtt_refused_total 3");
  });

  test.each([
    ["a wrong password", { username: "device", password: Buffer.from("x") }, 4],
    ["an unknown name", { username: "nobody", password: Buffer.from("x") }, 4],
    ["too many failures", { username: "device", password: Buffer.from("throttled") }, 5],
    [
      "a will elsewhere",
      { username: "device", password: Buffer.from("device-secret"), will: "other/gone" },
      5,
    ],
    ["no name from loopback", {}, 0],
    [
      "a name and its secret",
      { username: "device", password: Buffer.from("device-secret"), will: "device/gone" },
      0,
    ],
  ])(
    "answers CONNECT with %s",
    async (_case, { will, ...options }: Record<string, string | Buffer>, code) => {
      await using database = await open(engine);
      await using broker = await startLink(database);
      await using client = await RawClient.connect(broker.link.port, {
        ...options,
        ...(typeof will === "string"
          ? { will: { topic: will, payload: Buffer.from("x"), qos: 0, retain: false } }
          : {}),
      });
      expect((await client.connack()).returnCode).toBe(code);
    },
  );

  test("a session's queue is not read under another name", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    const login = (name: string) => ({ username: name, password: Buffer.from(`${name}-secret`) });
    {
      await using device = await broker.raw({ clientId: "shared-id", clean: false, ...login("device") });
      await device.subscribe("device/#");
    }
    await broker.link.publish({ topic: "device/secret", payload: "x", qos: 1, retain: false });
    await using thief = await broker.raw({ clientId: "shared-id", clean: false, ...login("other") });
    thief.send({ cmd: "pingreq" });
    await until("a round trip", () => thief.of("pingresp").length === 1);
    await broker.link.publish({ topic: "device/secret", payload: "y", qos: 1, retain: false });
    await broker.link.publish({ topic: "other/a", payload: "z", qos: 1, retain: false });
    expect(thief.of("publish")).toEqual([]);
  });

  test("closes the connection of a client that announces a huge packet or a bad topic", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database, undefined, { filters: ["#"] });
    await using huge = await broker.raw({ clientId: "huge" });
    huge.publish("a", "x".repeat(9 * 1024 * 1024));
    await until("the connection to be closed", () => huge.closed);
    for (const topic of ["a/#", "$SYS/x", "x\0y"]) {
      await using bad = await broker.raw({ clientId: "bad" });
      bad.publish(topic, "x");
      await until("the connection to be closed", () => bad.closed);
    }
    await using large = await broker.client();
    await large.publishAsync("a", "x".repeat(900_000), { qos: 1 });
    expect(broker.messages).toHaveLength(1);
  });

  test("rejects with the raw error when the port is taken, and says broker-unavailable when stopped", async () => {
    await using database = await open(engine);
    const broker = await startLink(database);
    expect(broker.link.status).toMatchObject({
      kind: "embedded",
      connected: true,
      address: `mqtt://127.0.0.1:${broker.link.port}`,
    });
    await expect(startLink(database, undefined, { port: broker.link.port })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    await broker.link[Symbol.asyncDispose]();
    expect(broker.link.status.connected).toBe(false);
    await expect(
      broker.link.publish({ topic: "a", payload: "x", qos: 0, retain: false }),
    ).rejects.toMatchObject({ code: "broker-unavailable" });
  });

  test("the external link falls back to MQTT 3.1.1 against this broker", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    await using link = createExternalLink({
      config: { kind: "external", host: "127.0.0.1", port: broker.link.port, tls: false },
      clientId: "busbar",
      log: createLog("silent"),
      metrics: createMetrics(),
      clock: systemClock,
    });
    const messages: InboundMessage[] = [];
    link.setSubscriptions(new Set(["a", "old"]));
    await broker.link.publish({ topic: "old", payload: "o", qos: 1, retain: true });
    await link.start({
      onMessage: (message) => {
        messages.push(message);
        return Promise.resolve();
      },
      onReady: () => {},
    });
    await until("the replay", () => messages.length === 1);
    for (const qos of [0, 1, 2] as const)
      await link.publish({ topic: "a", payload: `${qos}`, qos, retain: false });
    await until("its own messages", () => messages.length === 4);
    expect(messages.map(({ topic, retained }) => [topic, retained])).toEqual([
      ["old", true],
      ["a", false],
      ["a", false],
      ["a", false],
    ]);
  });
});

describeEachEngine("embedded broker over a restart", (engine) => {
  test("keeps retained messages, sessions and their queues", async () => {
    await using database = await open(engine);
    {
      await using broker = await startLink(database);
      await using device = await broker.client({ clientId: "device", clean: false });
      await device.subscribeAsync({ "device/#": { qos: 2 }, "device/live": { qos: 0 } });
      await device.endAsync();
      await using sender = await broker.client();
      await sender.publishAsync("device/1", "first", { qos: 1 });
      await sender.publishAsync("device/2", "second", { qos: 2 });
      await sender.publishAsync("device/3", "third", { qos: 1, retain: true });
      await sender.publishAsync("device/4", "lost", { qos: 0 });
      await sender.publishAsync("map", "old", { qos: 1, retain: true });
      await sender.publishAsync("map", "new", { qos: 1, retain: true });
      await sender.publishAsync("gone", "x", { qos: 1, retain: true });
      await sender.publishAsync("gone", "", { qos: 1, retain: true });
      await broker.link.publish({ topic: "own", payload: "kept", qos: 0, retain: true });
    }
    await using again = await engine.reopen(database);
    await using broker = await startLink(again);
    await using device = await broker.raw({ clientId: "device", clean: false });
    expect((await device.connack()).sessionPresent).toBe(true);
    await until("the queue", () => device.of("publish").length === 3);
    expect(
      device.of("publish").map((packet) => [packet.topic, packet.payload.toString(), packet.qos]),
    ).toEqual([
      ["device/1", "first", 1],
      ["device/2", "second", 2],
      ["device/3", "third", 1],
    ]);
    await broker.link.publish({ topic: "device/live", payload: "live", qos: 1, retain: false });
    await until("a live one", () => device.of("publish").length === 4);
    await using reader = await broker.client({ clientId: "reader" });
    const retained: string[] = [];
    reader.on("message", (topic, payload, packet) => retained.push(`${topic} ${payload} ${packet.retain}`));
    await reader.subscribeAsync("#", { qos: 1 });
    await until("the retained ones", () => retained.length === 3);
    expect(retained.sort()).toEqual(["device/3 third true", "map new true", "own kept true"]);
  });

  test("has stored what it acknowledges: a crash after the PUBACK loses nothing", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    {
      await using device = await broker.raw({ clientId: "device", clean: false });
      await device.subscribe("a", 2);
    }
    await using sender = await broker.client();
    for (const qos of [1, 2] as const) {
      await sender.publishAsync("a", `at ${qos}`, { qos, retain: true });
      // What a server would find that starts now.
      await using crashed = await engine.reopen(database);
      const db = brokerTables(crashed.read);
      const retained = await db.selectFrom("mqtt_retained").select("payload").executeTakeFirstOrThrow();
      expect(Buffer.from(retained.payload).toString()).toBe(`at ${qos}`);
      expect(await db.selectFrom("mqtt_queued").select("id").execute()).toHaveLength(qos);
    }
  });

  test("keeps the will of a connected client, in case the server crashes", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    const will = { topic: "device/gone", payload: Buffer.from("x"), qos: 1 as const, retain: false };
    await using device = await broker.raw({ clientId: "device", will });
    device.publish("device/here", "x");
    await until("PUBACK", () => device.of("puback").length === 1);
    await using crashed = await engine.reopen(database);
    const stored = await brokerTables(crashed.read).selectFrom("mqtt_wills").select("topic").execute();
    expect(stored.map((row) => row.topic)).toEqual(["device/gone"]);
  });

  test("delivers what was acknowledged once, and not again after the client's acknowledgement", async () => {
    await using database = await open(engine);
    {
      await using broker = await startLink(database);
      await using device = await broker.client({ clientId: "device", clean: false });
      await device.subscribeAsync("a", { qos: 2 });
      const got: string[] = [];
      device.on("message", (_topic, payload) => got.push(payload.toString()));
      for (let index = 0; index < 50; index++)
        await broker.link.publish({
          topic: "a",
          payload: `${index}`,
          qos: index % 2 === 0 ? 1 : 2,
          retain: false,
        });
      await until("all", () => got.length === 50);
      await device.endAsync();
    }
    await using again = await engine.reopen(database);
    await using broker = await startLink(again);
    await using device = await broker.raw({ clientId: "device", clean: false });
    await broker.link.publish({ topic: "a", payload: "last", qos: 1, retain: false });
    await until("the last", () => device.of("publish").length > 0);
    expect(device.of("publish").map((packet) => packet.payload.toString())).toEqual(["last"]);
  });

  test("goes on with a QoS 2 message where the client and the broker stood", async () => {
    await using database = await open(engine);
    {
      await using broker = await startLink(database);
      await using device = await broker.raw({ clientId: "device", clean: false });
      await device.subscribe("a", 2);
      await broker.link.publish({ topic: "a", payload: "x", qos: 2, retain: false });
      const [message] = await until("it", () =>
        device.of("publish").length > 0 ? device.of("publish") : undefined,
      );
      device.send({ cmd: "pubrec", messageId: Number(message?.messageId) });
      await until("PUBREL", () => device.of("pubrel").length === 1);
    }
    await using again = await engine.reopen(database);
    await using broker = await startLink(again);
    await using device = await broker.raw({ clientId: "device", clean: false });
    await until("PUBREL again", () => device.of("pubrel").length === 1);
    expect(device.of("publish")).toEqual([]);
  });

  test("takes an incoming QoS 2 message that is sent again for what it is", async () => {
    await using database = await open(engine);
    {
      await using broker = await startLink(database);
      await using sender = await broker.raw({ clientId: "sender", clean: false });
      sender.publish("a", "x", { qos: 2, messageId: 9 });
      await until("PUBREC", () => sender.of("pubrec").length === 1);
    }
    await using again = await engine.reopen(database);
    await using broker = await startLink(again);
    await using reader = await broker.raw({ clientId: "reader" });
    await reader.subscribe("#", 1);
    await using sender = await broker.raw({ clientId: "sender", clean: false });
    sender.send({ cmd: "publish", topic: "a", payload: "x", qos: 2, retain: false, dup: true, messageId: 9 });
    await until("PUBREC", () => sender.of("pubrec").length === 1);
    sender.send({ cmd: "pubrel", messageId: 9 });
    await until("PUBCOMP", () => sender.of("pubcomp").length === 1);
    sender.publish("a", "next", { qos: 2, messageId: 9 });
    await until("the next", () => reader.of("publish").length > 0);
    expect(reader.of("publish").map((packet) => packet.payload.toString())).toEqual(["next"]);
  });

  test("bounds the queue of a client that is away: the oldest go first", async () => {
    await using database = await open(engine);
    {
      await using broker = await startLink(database, undefined, { queueLimit: 10 });
      {
        await using device = await broker.raw({ clientId: "device", clean: false });
        await device.subscribe("a", 1);
      }
      for (let index = 0; index < 25; index++)
        await broker.link.publish({ topic: "a", payload: `${index}`, qos: 1, retain: false });
      expect(await broker.metrics.metrics()).toContain("busbar_mqtt_queue_dropped_total 15");
    }
    await using again = await engine.reopen(database);
    await using broker = await startLink(again);
    await using device = await broker.raw({ clientId: "device", clean: false });
    await until("the queue", () => device.of("publish").length === 10);
    expect(device.of("publish")[0]?.payload.toString()).toBe("15");
  });

  test("a session that ended cleanly leaves nothing", async () => {
    await using database = await open(engine);
    await using broker = await startLink(database);
    {
      await using device = await broker.client({ clientId: "device", clean: false });
      await device.subscribeAsync("a", { qos: 1 });
    }
    await broker.link.publish({ topic: "a", payload: "x", qos: 1, retain: false });
    {
      await using device = await broker.client({ clientId: "device", clean: true });
      await device.endAsync();
    }
    await using device = await broker.raw({ clientId: "device", clean: false });
    expect((await device.connack()).sessionPresent).toBe(false);
    await broker.link.publish({ topic: "a", payload: "y", qos: 1, retain: false });
    expect(device.of("publish")).toEqual([]);
  });
});
