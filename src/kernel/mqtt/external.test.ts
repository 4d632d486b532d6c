import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, type Packet } from "mqtt-packet";
import { generate as generateCertificate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { portOf } from "../../../test/mqtt/port.ts";
import { RawClient } from "../../../test/mqtt/raw-client.ts";
import { ScriptedBroker } from "../../../test/mqtt/scripted-broker.ts";
import { startTap, type Tap } from "../../../test/mqtt/tap.ts";
import { type Mosquitto, startMosquitto } from "../../../test/services/mosquitto.ts";
import { findService } from "../../../test/services/programs.ts";
import { freePort } from "../../../test/services/service.ts";
import { until } from "../../../test/until.ts";
import { Problem } from "../errors.ts";
import { createLog } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { systemClock } from "../time.ts";
import { createExternalLink } from "./external.ts";
import type { InboundMessage, MessageHandler, MqttLink } from "./link.ts";

interface Setup {
  readonly link: MqttLink;
  readonly messages: InboundMessage[];
  readonly metrics: ReturnType<typeof createMetrics>;
  ready: number;
}

let clients = 0;

function setUp(port: number, more: { tls?: boolean; ca?: string; clientId?: string } = {}) {
  const metrics = createMetrics();
  const link = createExternalLink({
    config: { kind: "external", host: "127.0.0.1", port, tls: more.tls ?? false },
    ...(more.ca === undefined ? {} : { ca: more.ca }),
    clientId: more.clientId ?? `busbar-${++clients}`,
    log: createLog("silent"),
    metrics,
    clock: systemClock,
  });
  const messages: InboundMessage[] = [];
  const setup: Setup = { link, messages, metrics, ready: 0 };
  const start = (handle: MessageHandler = () => undefined) =>
    link.start({
      onMessage: (message) => {
        messages.push(message);
        return handle(message);
      },
      onReady: () => {
        setup.ready += 1;
      },
    });
  const ready = () => until("the subscriptions", () => setup.ready > 0);
  return {
    ...setup,
    setup,
    start,
    ready,
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

const textOf = (message: InboundMessage) => Buffer.from(message.payload).toString();
const pubacks = (tap: Tap) =>
  tap.sent.filter((packet) => packet.cmd === "puback").map((packet) => Number(packet.messageId));
const problemCode = (code: string) => (error: unknown) => error instanceof Problem && error.code === code;

describe.skipIf(findService("mosquitto") === undefined)("external link with Mosquitto", () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.stop());

  const publisher = async () => {
    const client = await RawClient.connect(broker.port, { clientId: `publisher-${++clients}` });
    await client.connack();
    return client;
  };

  test("sends no PUBACK before the handler's promise has resolved", async () => {
    await using tap = await startTap(broker.port);
    await using link = setUp(tap.port);
    const commit = Promise.withResolvers<void>();
    link.link.setSubscriptions(new Set(["ack/a"]));
    await link.start(() => commit.promise);
    await link.ready();
    await using sender = await publisher();
    for (let id = 1; id <= 5; id++) sender.publish("ack/a", `${id}`, { messageId: id });
    await until("five messages", () => link.messages.length === 5);
    // A round trip over the same connection: whatever was written before has passed the tap by then.
    await link.link.publish({ topic: "elsewhere", payload: "x", qos: 1, retain: false });
    expect(pubacks(tap)).toEqual([]);
    expect(link.link.status.connected).toBe(true);
    commit.resolve();
    await until("the acknowledgements", () => pubacks(tap).length === 5);
    expect(tap.acknowledgingWrites).toBe(1);
  });

  test("acknowledges in the order of arrival, whatever resolves first", async () => {
    await using tap = await startTap(broker.port);
    await using link = setUp(tap.port);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    link.link.setSubscriptions(new Set(["order/+"]));
    await link.start(({ topic }) =>
      topic === "order/1" ? first.promise : topic === "order/2" ? second.promise : undefined,
    );
    await link.ready();
    await using sender = await publisher();
    for (const [index, topic] of ["order/1", "order/2", "order/3", "order/1"].entries())
      sender.publish(topic, "x", { messageId: index + 1 });
    await until("the messages", () => link.messages.length === 4);
    second.resolve();
    await link.link.publish({ topic: "elsewhere", payload: "x", qos: 1, retain: false });
    expect(pubacks(tap)).toEqual([]);
    first.resolve();
    await until("the acknowledgements", () => pubacks(tap).length === 4);
    expect(pubacks(tap)).toEqual([...pubacks(tap)].sort((a, b) => a - b));
  });

  test("has a message whose promise rejects delivered again", async () => {
    await using link = setUp(broker.port);
    link.link.setSubscriptions(new Set(["again"]));
    let failures = 2;
    await link.start(() => (failures-- > 0 ? Promise.reject(new Error("disk full")) : Promise.resolve()));
    await link.ready();
    await using sender = await publisher();
    sender.publish("again", "precious");
    await until("three deliveries", () => link.messages.length === 3);
    expect(link.messages.map(textOf)).toEqual(["precious", "precious", "precious"]);
    expect(await link.metrics.metrics()).toContain('busbar_mqtt_handler_failures_total{kind="rejected"} 2');
  });

  test("a handler that throws does not stop the link", async () => {
    await using tap = await startTap(broker.port);
    await using link = setUp(tap.port);
    link.link.setSubscriptions(new Set(["thrown"]));
    await link.start((message) => {
      if (textOf(message) === "bad") throw new TypeError("no such thing");
      return undefined;
    });
    await link.ready();
    await using sender = await publisher();
    sender.publish("thrown", "bad", { messageId: 1 });
    sender.publish("thrown", "good", { messageId: 2 });
    await until("both acknowledged", () => pubacks(tap).length === 2);
    expect(link.messages.map(textOf)).toEqual(["bad", "good"]);
    expect(await link.metrics.metrics()).toContain('busbar_mqtt_handler_failures_total{kind="thrown"} 1');
  });

  test("reads no more while 10,000 messages wait for their commit", async () => {
    await using link = setUp(broker.port);
    const commit = Promise.withResolvers<void>();
    link.link.setSubscriptions(new Set(["flood"]));
    await link.start(() => commit.promise);
    await link.ready();
    await using sender = await publisher();
    for (let index = 0; index < 30_000; index++) sender.publish("flood", `${index}`, { qos: 0 });
    await until("the first", () => link.messages.length >= 10_000);
    await sender.subscribe("elsewhere");
    expect(link.messages).toHaveLength(10_000);
    expect(await link.metrics.metrics()).toContain("busbar_mqtt_held_acknowledgements 10000");
    commit.resolve();
    await until("the rest", () => link.messages.length === 30_000);
  });

  test("tells replayed retained messages from live ones", async () => {
    await using sender = await publisher();
    sender.publish("retained", "old", { retain: true });
    await until("PUBACK", () => sender.of("puback").length === 1);
    await using link = setUp(broker.port);
    link.link.setSubscriptions(new Set(["retained"]));
    await link.start();
    await until("the replay", () => link.messages.length === 1);
    sender.publish("retained", "new", { retain: true, messageId: 2 });
    await until("the live one", () => link.messages.length === 2);
    expect(link.messages.map((message) => [textOf(message), message.retained])).toEqual([
      ["old", true],
      ["new", false],
    ]);
  });

  test("receives its own publication once, at each quality of service", async () => {
    await using link = setUp(broker.port);
    link.link.setSubscriptions(new Set(["own"]));
    await link.start();
    await link.ready();
    for (const qos of [0, 1, 2] as const)
      await link.link.publish({ topic: "own", payload: `${qos}`, qos, retain: false });
    await link.link.publish({
      topic: "own",
      payload: new TextEncoder().encode("last"),
      qos: 1,
      retain: false,
    });
    await until("the last", () => link.messages.some((message) => textOf(message) === "last"));
    expect(link.messages.map(textOf)).toEqual(["0", "1", "2", "last"]);
  });

  test("refuses to publish to what is no topic", async () => {
    await using link = setUp(broker.port);
    await link.start();
    for (const topic of ["", "a/+/b", "a/#"])
      await expect(link.link.publish({ topic, payload: "", qos: 1, retain: false })).rejects.toSatisfy(
        problemCode("invalid-request"),
      );
  });

  test("subscribes to 10,000 filters and ends in the last of quick changes", async () => {
    await using link = setUp(broker.port);
    const filters = Array.from({ length: 10_000 }, (_, index) => `many/${index}`);
    link.link.setSubscriptions(new Set(filters));
    await link.start();
    link.link.setSubscriptions(new Set(filters.slice(0, 10)));
    link.link.setSubscriptions(new Set(filters));
    link.link.setSubscriptions(new Set(filters.slice(5000)));
    await link.ready();
    await using sender = await publisher();
    sender.publish("many/1", "unwanted", { messageId: 1 });
    sender.publish("many/5000", "wanted", { messageId: 2 });
    sender.publish("many/9999", "last", { messageId: 3 });
    await until("the last", () => link.messages.some((message) => textOf(message) === "last"));
    expect(link.messages.map(textOf)).toEqual(["wanted", "last"]);
  });

  test("asks for a subscription of a former run no longer", async () => {
    const clientId = `busbar-${++clients}`;
    {
      await using link = setUp(broker.port, { clientId });
      link.link.setSubscriptions(new Set(["former", "kept"]));
      await link.start();
      await link.ready();
    }
    await using tap = await startTap(broker.port);
    await using sender = await publisher();
    sender.publish("former", "1", { messageId: 1 });
    sender.publish("kept", "2", { messageId: 2 });
    await using link = setUp(tap.port, { clientId });
    link.link.setSubscriptions(new Set(["kept"]));
    await link.start();
    await until("UNSUBSCRIBE", () => tap.sent.some((packet) => packet.cmd === "unsubscribe"));
    await until("both acknowledged", () => pubacks(tap).length === 2);
    expect(link.messages.map(textOf)).toEqual(["2"]);
  });

  test("keeps to the receive maximum of a stock broker", async () => {
    await using stock = await startMosquitto({ config: "" });
    await using link = setUp(stock.port);
    link.link.setSubscriptions(new Set(["window"]));
    await link.start();
    await link.ready();
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        link.link.publish({ topic: `maps/${index}`, payload: "{}", qos: 2, retain: true }),
      ),
    );
    expect(link.setup.ready).toBe(1);
  });
});

describe.skipIf(findService("mosquitto") === undefined)("external link and a broker that fails", () => {
  test("starts without a broker, and finds it when it comes", async () => {
    const port = await freePort();
    await using link = setUp(port);
    link.link.setSubscriptions(new Set(["late"]));
    await link.start();
    expect(link.link.status).toMatchObject({ kind: "external", connected: false });
    expect(link.link.status.reason).toContain("ECONNREFUSED");
    await expect(link.link.publish({ topic: "late", payload: "x", qos: 1, retain: false })).rejects.toSatisfy(
      problemCode("broker-unavailable"),
    );
    await using broker = await startMosquitto({ port });
    await link.ready();
    expect(link.link.status).toMatchObject({ connected: true, address: `mqtt://127.0.0.1:${broker.port}` });
    await link.link.publish({ topic: "late", payload: "x", qos: 1, retain: false });
    await until("the message", () => link.messages.length === 1);
  });

  test("subscribes again after the broker lost everything", async () => {
    await using broker = await startMosquitto({ config: "" });
    await using link = setUp(broker.port);
    link.link.setSubscriptions(new Set(["a", "b"]));
    await link.start();
    await link.ready();
    await broker.end();
    await until("the loss to be seen", () => !link.link.status.connected);
    await expect(link.link.publish({ topic: "a", payload: "x", qos: 1, retain: false })).rejects.toSatisfy(
      problemCode("broker-unavailable"),
    );
    link.link.setSubscriptions(new Set(["b", "c"]));
    await broker.start();
    await until("the second connection", () => link.setup.ready === 2);
    await link.link.publish({ topic: "a", payload: "1", qos: 1, retain: false });
    await link.link.publish({ topic: "c", payload: "2", qos: 1, retain: false });
    await until("the message", () => link.messages.length === 1);
    expect(link.messages.map((message) => message.topic)).toEqual(["c"]);
  });

  test("gets what was published while it was away", async () => {
    await using broker = await startMosquitto();
    const clientId = "busbar-away";
    {
      await using link = setUp(broker.port, { clientId });
      link.link.setSubscriptions(new Set(["away"]));
      await link.start();
      await link.ready();
    }
    await using sender = await RawClient.connect(broker.port, { clientId: "sender" });
    await sender.connack();
    for (let id = 1; id <= 2000; id++) sender.publish("away", `${id}`, { messageId: id });
    await until("PUBACKs", () => sender.of("puback").length === 2000);
    await using link = setUp(broker.port, { clientId });
    link.link.setSubscriptions(new Set(["away"]));
    await link.start();
    await until("all of them", () => link.messages.length === 2000);
    expect(link.messages.map(textOf)).toEqual(Array.from({ length: 2000 }, (_, index) => `${index + 1}`));
  });

  test("a publication whose acknowledgement is lost with the connection rejects", async () => {
    await using broker = await startMosquitto();
    await using tap = await startTap(broker.port);
    await using link = setUp(tap.port);
    await link.start();
    await link.ready();
    const lost = Array.from({ length: 50 }, () =>
      link.link.publish({ topic: "lost", payload: "x", qos: 2, retain: false }),
    );
    tap.cut();
    const outcomes = await Promise.allSettled(lost);
    expect(outcomes.every((outcome) => outcome.status === "rejected")).toBe(true);
    await until("the next connection", () => link.setup.ready === 2);
    for (let index = 0; index < 100; index++)
      await link.link.publish({ topic: "lost", payload: "x", qos: 2, retain: false });
  });

  test("says why a broker refuses it", async () => {
    await using broker = await startMosquitto({ anonymous: false });
    await using link = setUp(broker.port);
    await link.start();
    expect(link.link.status.connected).toBe(false);
    expect(link.link.status.reason).toMatch(/Not authorized/i);
  });

  test("reads how many messages the broker dropped", async () => {
    await using broker = await startMosquitto({ config: "sys_interval 1" });
    await using link = setUp(broker.port);
    await link.start();
    await until("the figure", () => link.link.status.brokerDropped === 0);
    expect(await link.metrics.metrics()).toContain("busbar_mqtt_broker_dropped_messages 0");
  });

  test("speaks TLS, and trusts no certificate it does not know", async () => {
    const folder = mkdtempSync(join(tmpdir(), "busbar-tls-"));
    try {
      const { cert, private: key } = await generateCertificate([{ name: "commonName", value: "127.0.0.1" }], {
        extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
      });
      writeFileSync(join(folder, "cert.pem"), cert);
      writeFileSync(join(folder, "key.pem"), key);
      const config = `certfile ${join(folder, "cert.pem")}\nkeyfile ${join(folder, "key.pem")}`;
      await using broker = await startMosquitto({ config });
      await using stranger = setUp(broker.port, { tls: true });
      await stranger.start();
      expect(stranger.link.status).toMatchObject({ connected: false });
      expect(stranger.link.status.reason).toMatch(/self-signed/);
      await using link = setUp(broker.port, { tls: true, ca: cert });
      link.link.setSubscriptions(new Set(["a"]));
      await link.start();
      await link.ready();
      expect(link.link.status.address).toBe(`mqtts://127.0.0.1:${broker.port}`);
      await link.link.publish({ topic: "a", payload: "x", qos: 1, retain: false });
      await until("the message", () => link.messages.length === 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("what is withdrawn before it was sent is never sent; what was sent is not waited for", async () => {
    await using broker = await ScriptedBroker.start(1);
    await using link = setUp(broker.port);
    await link.start();
    await link.ready();
    broker.mode = "hold";
    const withdrawal = new AbortController();
    const publish = (payload: string) =>
      link.link.publish({ topic: "a", payload, qos: 1, retain: false, withdraw: withdrawal.signal });
    const publications = Promise.allSettled([publish("sent"), publish("waiting")]);
    await until("the first one", () => broker.published.length === 1);
    withdrawal.abort();
    for (const outcome of await publications)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "broker-unavailable" } });
    broker.mode = "normal";
    broker.release();
    await link.link.publish({ topic: "a", payload: "next", qos: 1, retain: false });
    expect(broker.published.map(({ payload }) => payload.toString())).toEqual(["sent", "next"]);
  });

  test("says why an MQTT 5 broker ended the connection", async () => {
    const answers: readonly Packet[] = [
      { cmd: "connack", reasonCode: 0, sessionPresent: false },
      { cmd: "disconnect", reasonCode: 142 },
    ];
    const server = createServer((socket) => {
      socket.on("error", () => {
        // The client may be gone before all is written.
      });
      socket.once("data", () => {
        for (const answer of answers) socket.write(generate(answer, { protocolVersion: 5 }));
        socket.end();
      });
    });
    try {
      await using link = setUp(await portOf(server));
      await link.start();
      await until("the reason", () => link.link.status.reason?.includes("Session taken over (142)"));
    } finally {
      server.close();
    }
  });
});
