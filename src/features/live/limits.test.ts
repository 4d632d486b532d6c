import { connect, type Socket } from "node:net";
import { text as textOf } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminName, adminPassword, startTestApp, type TestApp } from "../../../test/app.ts";
import { describeEachEngine, describeOnSqlite } from "../../../test/engines.ts";
import { authorizationOf, LiveSocket, LiveStream } from "../../../test/live.ts";
import { until } from "../../../test/until.ts";

const t0 = 1_700_000_000_000;

const makeDatapoint = async (app: TestApp): Promise<number> => {
  const body = [{ connector: { name: "site" }, key_in_connector: "k", type: "sensor" }];
  const [made] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  return made?.id ?? 0;
};

const put = (app: TestApp, id: number, value: number) =>
  app.json("PUT", `/datapoint/${id}/value/`, { body: [{ value: String(value), timestamp: t0 + value }] });

const metric = async (app: TestApp, name: string): Promise<number> => {
  const text = await (await app.request("GET", "/metrics")).text();
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")[1] ?? 0,
  );
};

const authorization = authorizationOf({ name: adminName, password: adminPassword });

/** A bare connection that sends the text and reads only when told to. */
function rawRequest(app: TestApp, text: string): Socket {
  const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(text);
  return socket;
}

describeEachEngine("what clients do", (engine) => {
  let app: TestApp;
  let id = 0;
  beforeAll(async () => {
    app = await startTestApp({ engine });
    id = await makeDatapoint(app);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("what cannot be understood is answered, and the connection goes on", async () => {
    await using socket = await LiveSocket.open(app);
    for (const text of ["", "{", "[]", "1", '"x"', "null", "{}", '{"publish":1}', '{"subscribe":1}'])
      expect((await socket.problem(text)).status, text).toBe(400);
    expect(await socket.problem({ subscribe: { datapoint: "1" } })).toMatchObject({
      detail: expect.stringContaining("subscribe.datapoint"),
    });
    for (const subscribe of [
      { datapoint: [] },
      { datapoint: 0 },
      { datapoint: 1.5 },
      { connector: "" },
      { kind: "weather" },
      { kind: "commands" },
      { stream: [1, -1] },
      { datapoint: Array.from({ length: 1001 }, (_, i) => i + 1) },
      { last_event_id: 5 },
      { who: 1 },
    ])
      expect((await socket.problem({ subscribe })).status, JSON.stringify(subscribe)).toBe(400);
    expect((await socket.problem({ subscribe: {}, unsubscribe: "a" })).status).toBe(400);
    expect((await socket.problem({ subscribe: { stream: 2 ** 40 } })).status).toBe(404);
    socket.socket.send(Buffer.from([1, 2, 3]));
    await until("the problem", () => socket.frames.some(({ problem }) => problem?.detail.includes("binary")));
    await socket.subscribe({ datapoint: id });
    await put(app, id, 1);
    await socket.take(1);
  });

  test("whatever is sent, the connection answers and lives, or is closed with a reason", async () => {
    const clause = fc.record(
      {
        id: fc.oneof(fc.string(), fc.integer()),
        datapoint: fc.oneof(fc.constant(id), fc.integer(), fc.array(fc.integer()), fc.string()),
        connector: fc.oneof(fc.constant("site"), fc.string(), fc.array(fc.string())),
        stream: fc.oneof(fc.nat(), fc.double(), fc.array(fc.nat())),
        kind: fc.constantFrom("value", "setpoint", "x", null),
        last_event_id: fc.oneof(fc.string(), fc.constantFrom("1", "0-0-0", "1-0-1")),
      },
      { requiredKeys: [] },
    );
    const message = fc.oneof(
      fc.record({ subscribe: clause }).map((value) => JSON.stringify(value)),
      fc.record({ unsubscribe: fc.string() }).map((value) => JSON.stringify(value)),
      fc.json(),
      fc.string({ unit: "binary" }),
    );
    const property = fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (messages) => {
      await using socket = await LiveSocket.open(app);
      for (const text of messages) socket.send(text);
      await until("all answers", () => socket.closed || socket.frames.length >= messages.length);
      const answers = socket.frames.filter(
        ({ problem, subscribed, unsubscribed }) => problem ?? subscribed ?? unsubscribed,
      );
      for (const { problem } of answers) if (problem) expect(problem.status).toBeLessThan(500);
    });
    await fc.assert(property, { numRuns: 30 });
  });

  test("too many subscriptions and too many ids are refused", async () => {
    await using socket = await LiveSocket.open(app);
    for (let n = 0; n < 100; n++) socket.send({ subscribe: { id: `s${n}`, datapoint: id } });
    await until("all of them", () => socket.frames.filter(({ subscribed }) => subscribed).length === 100);
    expect(await socket.problem({ subscribe: { id: "more", datapoint: id } })).toMatchObject({ status: 429 });
    await socket.subscribe({ id: "s1", connector: "site" });
    await using other = await LiveSocket.open(app);
    await other.subscribe({ id: "a", connector: Array.from({ length: 999 }, (_, n) => `c${n}`) });
    await other.subscribe({ id: "b", datapoint: id });
    expect(await other.problem({ subscribe: { id: "c", datapoint: id } })).toMatchObject({ status: 429 });
  });

  test("a frame that is too large, and a flood of frames, end the connection", async () => {
    await using large = await LiveSocket.open(app);
    large.send("x".repeat(64 * 1024 + 1));
    expect(await large.ended()).toMatchObject({ code: 1009 });
    await using flood = await LiveSocket.open(app);
    for (let n = 0; n < 2000; n++) flood.send("{}");
    expect(await flood.ended()).toMatchObject({ code: 1008, reason: "More than 20 messages a second." });
  });

  test("bytes that are no frames end that connection only", async () => {
    await using good = await LiveSocket.open(app);
    await good.subscribe({ datapoint: id });
    const head =
      `GET /ws/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: ${authorization}\r\n\r\n`;
    const property = fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const socket = rawRequest(app, head);
      socket.resume();
      socket.end(bytes);
      await until("the end", () => socket.closed || socket.readableEnded);
      socket.destroy();
    });
    await fc.assert(property, { numRuns: 30 });
    await put(app, id, 10);
    await good.take(1);
  });

  test("handshakes that are none are refused", async () => {
    const plain = await app.request("GET", "/ws/");
    expect(plain.status).toBe(426);
    expect(plain.headers.get("upgrade")).toBe("websocket");
    expect(((await plain.json()) as { type: string }).type).toBe("/problems/upgrade-required");
    expect((await app.request("POST", "/ws/", { body: {} })).status).toBe(405);
    const bad = rawRequest(
      app,
      `GET /ws/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: ${authorization}\r\n\r\n`,
    );
    expect(await textOf(bad)).toMatch(/^HTTP\/1.1 400 /);
    // Elsewhere the header counts for nothing.
    const other = rawRequest(
      app,
      `GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    );
    expect(await textOf(other)).toMatch(/^HTTP\/1.1 200 /);
  });

  test("queries of /stream/ that make no sense are refused", async () => {
    for (const query of [
      "datapoint=x",
      "datapoint=0",
      "kind=weather",
      "values=xml",
      "newest=maybe",
      "connector=",
    ])
      expect([400, 404], query).toContain((await app.request("GET", `/stream/?${query}`)).status);
    expect((await app.request("GET", "/stream/?datapoint=999999")).status).toBe(404);
    expect((await app.request("HEAD", "/stream/")).status).toBe(405);
  });

  test("HTTP/1.0 gets the stream without chunks", async () => {
    const socket = rawRequest(
      app,
      `GET /stream/?datapoint=${id} HTTP/1.0\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`,
    );
    let text = "";
    socket.on("data", (part) => {
      text += String(part);
    });
    await until("the subscription", () => text.includes("event: subscribed"));
    await put(app, id, 20);
    await until("the value", () => text.includes('"value":"20"'));
    expect(text.toLowerCase()).not.toContain("transfer-encoding");
    expect(text).toMatch(/\r\n\r\nretry: 2000\n\n/);
    socket.destroy();
  });

  test("who takes nothing is dropped with a reason, while the others go on", async () => {
    await using good = await LiveSocket.open(app, { query: "?newest=true" });
    await good.subscribe({ datapoint: id });
    await using slow = await LiveSocket.open(app);
    await slow.subscribe({ datapoint: id });
    slow.socket.pause();
    const stuck = rawRequest(
      app,
      `GET /stream/?datapoint=${id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`,
    );
    const before = await metric(app, 'busbar_live_dropped_total{reason="slow"}');
    // The kernel takes some megabytes for whoever does not read.
    const text = "x".repeat(100_000);
    let value = 1000;
    const dropped = () => metric(app, 'busbar_live_dropped_total{reason="slow"}');
    for (; (await dropped()) < before + 2 && value < 3000; value++)
      await app.json("PUT", `/datapoint/${id}/value/`, {
        body: [{ value: JSON.stringify(text), timestamp: t0 + value }],
      });
    expect(await dropped()).toBe(before + 2);
    slow.socket.resume();
    expect(await slow.ended()).toMatchObject({ code: 1013 });
    await put(app, id, value);
    await until("the newest", () => good.events.at(-1)?.value === String(value));
    stuck.destroy();
  });

  test("connections that have gone are counted no more", async () => {
    const count = () => metric(app, 'busbar_live_connections{protocol="websocket"}');
    const sse = () => metric(app, 'busbar_live_connections{protocol="sse"}');
    await until("the others to be gone", async () => (await count()) === 0 && (await sse()) === 0);
    const socket = await LiveSocket.open(app);
    const stream = await LiveStream.open(app);
    expect([await count(), await sse()]).toEqual([1, 1]);
    await socket[Symbol.asyncDispose]();
    await stream[Symbol.asyncDispose]();
    await until("both to be gone", async () => (await count()) === 0 && (await sse()) === 0);
  });
});

describeOnSqlite("how many", () => {
  test("connections in all, and per account, are bounded", async () => {
    const env = { BUSBAR_LIVE_CONNECTIONS: "3", BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT: "2" };
    await using app = await startTestApp({ env });
    const as = { name: "ann", password: "Different-horse-7" };
    await app.json("POST", "/users/", { body: { ...as, role: "viewer" }, status: 201 });
    await using one = await LiveSocket.open(app);
    await using two = await LiveStream.open(app);
    const refused = await LiveSocket.refused(app);
    expect(refused.status).toBe(429);
    expect(refused.body).toContain("BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT");
    await using three = await LiveSocket.open(app, { as });
    const full = await app.request("GET", "/stream/", { as });
    expect(full.status).toBe(429);
    expect(full.headers.get("retry-after")).toBe("5");
    await three[Symbol.asyncDispose]();
    await until("room", async () => {
      const stream = await LiveStream.open(app, { as });
      await stream[Symbol.asyncDispose]();
      return true;
    });
    expect([one.closed, two.ended]).toEqual([undefined, false]);
  });

  test("under ROOT_PATH, and on every port", async () => {
    await using app = await startTestApp({ env: { ROOT_PATH: "some/path" } });
    await using socket = await LiveSocket.open(app, { path: "/some/path/ws" });
    await socket.subscribe();
    expect((await app.request("GET", "/ws/")).status).toBe(404);
    expect((await app.request("POST", "/some/path/live/ticket")).status).toBe(200);
  });
});
