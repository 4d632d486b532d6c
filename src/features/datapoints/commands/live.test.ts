import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../../test/app.ts";
import { TestClock } from "../../../../test/clock.ts";
import { type CommandJson, commandOf, fresh, idOf, write } from "../../../../test/commands.ts";
import { TestConnector } from "../../../../test/connector.ts";
import { describeEachEngine, describeOnSqlite } from "../../../../test/engines.ts";
import { type LiveEvent, LiveSocket, LiveStream } from "../../../../test/live.ts";
import { createDatabase, dropDatabase } from "../../../../test/services/postgres.ts";
import { until } from "../../../../test/until.ts";

const commandIn = ({ value }: LiveEvent): CommandJson => value as CommandJson;
const statesOf = (events: readonly LiveEvent[]) => events.map((event) => commandIn(event).state);
const native = { query: "?values=native" };

/** The first so many steps; that a broker is slow is none of them. */
async function stepsAt(client: LiveSocket | LiveStream, count: number): Promise<readonly LiveEvent[]> {
  const steps = () =>
    client.events.filter((event) => event.kind === "command" && commandIn(event).state !== "published");
  await until(`${count} steps`, () => steps().length >= count);
  return steps().slice(0, count);
}

describeEachApp("steps of commands, live", (kind) => {
  let app: TestApp;
  let connector: TestConnector;
  let other: TestConnector;
  let count = 0;

  beforeAll(async () => {
    app = await startTestApp(kind);
    connector = await TestConnector.connect(app, "c");
    other = await TestConnector.connect(app, "d");
  });
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    await app?.[Symbol.asyncDispose]();
  });

  const guard = (id: number, body: object) =>
    app.json("PUT", `/datapoint/${id}/guard/`, { body, status: 201 });
  const user = async (permissions: readonly string[]) => {
    const as = { name: `listener-${++count}`, password: "Different-horse-7" };
    const { id } = await app.json<{ id: number }>("POST", "/users/", {
      body: { ...as, permissions },
      status: 201,
    });
    return { ...as, id };
  };

  test("each step comes, as the command was then, to those who asked by datapoint, connector or kind", async () => {
    const sensor = await fresh(app, connector, "sensor");
    const id = await fresh(app, connector, "actuator");
    const foreign = await fresh(app, other, "actuator");
    await guard(id, { feedback: { datapoint: sensor, deadline: 600 } });
    await using byDatapoint = await LiveSocket.open(app, native);
    await byDatapoint.subscribe({ datapoint: id, kind: "command" });
    await using byConnector = await LiveSocket.open(app, native);
    await byConnector.subscribe({ connector: "c", kind: "command" });
    await using all = await LiveStream.open(app, { query: "?kind=command&values=native" });
    await all.named("subscribed");
    await write(app, foreign, 1);
    await stepsAt(all, 2);
    const command = await write(app, id, 20);
    await connector.publish(`c/messages/${sensor}/value`, { value: 20, timestamp: Date.now() });
    const events = await stepsAt(byDatapoint, 3);
    expect(statesOf(events)).toEqual(["accepted", "taken", "confirmed"]);
    const { accepted_at, taken_at, finished_at, ...shown } = await commandOf(app, command);
    expect(events[0]).toEqual({
      id: expect.any(String),
      kind: "command",
      datapoint: id,
      connector: "c",
      stream: expect.any(Number),
      value: expect.objectContaining({ id: command, taken_at: null, final: false }),
      timestamp: accepted_at,
    });
    expect(events.map(({ timestamp }) => timestamp)).toEqual([accepted_at, taken_at, finished_at]);
    expect(events[2]?.value).toEqual({ ...shown, accepted_at, taken_at, finished_at });
    expect(await stepsAt(byConnector, 3)).toEqual(events);
    const both = await stepsAt(all, 5);
    expect(both.slice(2)).toEqual(events);
    expect(both.slice(0, 2)).toMatchObject([{ datapoint: foreign }, { connector: "d" }]);
    expect(statesOf(both.slice(0, 2))).toEqual(["accepted", "delivered"]);
  });

  test("what a guard rail refuses is told, and as text when nothing else was asked for", async () => {
    const id = await fresh(app, connector, "actuator");
    await guard(id, { max: 30 });
    await using socket = await LiveSocket.open(app);
    await socket.subscribe({ datapoint: id });
    const response = await app.request("POST", `/datapoint/${id}/value/?values=native`, {
      body: { value: 31, timestamp: Date.now() },
    });
    expect(response.status).toBe(409);
    const [event] = await socket.take(1);
    expect(event).toMatchObject({ kind: "command", datapoint: id });
    expect(JSON.parse(String(event?.value))).toEqual(await commandOf(app, idOf(response)));
  });

  test("an order that supersedes another says so of both, the newest last", async () => {
    const sensor = await fresh(app, connector, "sensor");
    const id = await fresh(app, connector, "actuator");
    await guard(id, { feedback: { datapoint: sensor, deadline: 600 } });
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ datapoint: id, kind: "command" });
    const [first, second] = [await write(app, id, 1), await write(app, id, 2)];
    const events = await stepsAt(socket, 5);
    expect(events.map((event) => [commandIn(event).id, commandIn(event).state])).toEqual([
      [first, "accepted"],
      [first, "taken"],
      [second, "accepted"],
      [first, "superseded"],
      [second, "taken"],
    ]);
    expect(commandIn(events[3] as LiveEvent).superseded_by).toBe(second);
  });

  test("who may not see commands hears none, and who may see those of one datapoint hears them only", async () => {
    const a = await fresh(app, connector, "actuator");
    const b = await fresh(app, connector, "actuator");
    await using values = await LiveSocket.open(app, {
      ...native,
      as: await user(["view_datapointvalue", "view_stream"]),
    });
    await values.subscribe({ datapoint: [a, b] });
    const as = await user([`view_command:${b}`, "view_stream"]);
    await using commands = await LiveSocket.open(app, { ...native, as });
    await commands.subscribe({ connector: "c" });
    await using admin = await LiveSocket.open(app, native);
    await admin.subscribe({ datapoint: [a, b], kind: "command" });
    for (const id of [a, b]) await write(app, id, 5);
    const heard = await stepsAt(commands, 2);
    expect(heard).toMatchObject([
      { kind: "command", datapoint: b },
      { kind: "command", datapoint: b },
    ]);
    const stream = (await stepsAt(admin, 4))[0]?.stream;
    await values.take(2);
    for (const id of [a, b]) await write(app, id, 6);
    await values.take(4);
    await stepsAt(commands, 4);
    expect(new Set(values.events.map((event) => event.kind))).toEqual(new Set(["value"]));
    expect(new Set(commands.events.map(({ datapoint }) => datapoint))).toEqual(new Set([b]));
    const asking = { subscribe: { datapoint: a } };
    expect(await commands.problem(asking)).toMatchObject({ status: 404 });
    expect(await commands.problem({ subscribe: { stream } })).toMatchObject({ status: 404 });
    const keys = (await app.json<{ key: string }[]>("GET", "/streams/?limit=1000", { as })).map(
      ({ key }) => key,
    );
    expect(keys).toEqual([`${b}/command`]);
  });

  test("nobody changes what is told of commands but a superuser", async () => {
    const id = await fresh(app, connector, "actuator");
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ datapoint: id, kind: "command" });
    await write(app, id, 5);
    const [event] = await stepsAt(socket, 2);
    const as = await user(["view_stream", "change_stream", "view_command", "change_datapoint"]);
    const path = `/streams/${event?.stream}/`;
    expect(await app.json("GET", path, { as })).toMatchObject({ key: `${id}/command`, mode: "last" });
    const change = { as, body: { tags: ["mine"] } };
    expect((await app.request("PATCH", path, change)).status).toBe(403);
  });

  test("who comes back gets the steps that were missed, also over a restart", async () => {
    const id = await fresh(app, connector, "actuator");
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ datapoint: id, kind: "command" });
    await write(app, id, 1);
    const [, last] = await stepsAt(socket, 2);
    await write(app, id, 2);
    const [, , ...missed] = await stepsAt(socket, 4);
    await app.restart();
    await using again = await LiveStream.open(app, {
      query: `?datapoint=${id}&kind=command&values=native&last_event_id=${last?.id}`,
    });
    await again.named("subscribed");
    expect(again.received.some(({ event }) => event === "reset")).toBe(false);
    expect(statesOf(missed)).toEqual(["accepted", "delivered"]);
    expect(await stepsAt(again, 2)).toEqual(missed);
    expect(commandIn(again.events[0] as LiveEvent)).toEqual(missed[0]?.value);
  });

  test("with the datapoint its stream of steps goes", async () => {
    const id = await fresh(app, connector, "actuator");
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ datapoint: id, kind: "command" });
    await write(app, id, 1);
    const [event] = await stepsAt(socket, 2);
    await app.json("GET", `/streams/${event?.stream}/`);
    await app.json("DELETE", `/datapoint/${id}/`, { status: 204 });
    await app.json("GET", `/streams/${event?.stream}/`, { status: 404 });
  });
});

describeEachEngine("steps that nobody asked for", (engine) => {
  test("a safe value is told from its acceptance on", async () => {
    const clock = new TestClock();
    await using app = await startTestApp({ engine, broker: "embedded", clock });
    await using connector = await TestConnector.connect(app, "c");
    const id = await fresh(app, connector, "actuator");
    await app.json("PUT", `/datapoint/${id}/guard/`, {
      body: { expiry: { after: 60, value: "18" } },
      status: 201,
    });
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ kind: "command" });
    await write(app, id, 25);
    await stepsAt(socket, 2);
    clock.pass(61);
    const [, , ...safe] = await stepsAt(socket, 4);
    expect(safe.map(({ value }) => value)).toMatchObject([
      { state: "accepted", safe_value: true, message: { value: 18 }, actor: { id: null } },
      { state: "delivered", safe_value: true },
    ]);
  });
});

describeOnSqlite("steps that cannot be told", (engine) => {
  test("cost the sender nothing, and the next ones come again", async () => {
    await using app = await startTestApp({ engine, broker: "embedded" });
    await using connector = await TestConnector.connect(app, "c");
    const id = await fresh(app, connector, "actuator");
    await using socket = await LiveSocket.open(app, native);
    await socket.subscribe({ kind: "command" });
    const { database } = app.server.kernel;
    await database.write((tx) =>
      sql`create trigger full before insert on streams begin select raise(abort, 'no room'); end`.execute(tx),
    );
    const lost = await write(app, id, 1);
    expect(await commandOf(app, lost)).toMatchObject({ state: "delivered" });
    await database.write((tx) => sql`drop trigger full`.execute(tx));
    const told = await until("a step", async () => {
      await write(app, id, 2);
      return socket.events[0];
    });
    expect(commandIn(told).id).toBeGreaterThanOrEqual(lost);
    expect(told).toMatchObject({ kind: "command", datapoint: id });
  });
});

const postgres = inject("postgres");

describe.skipIf(!inject("mosquitto") || postgres === null)("two nodes on one database", () => {
  test("steps made on either come to who listens at the other, and who moves there goes on", async () => {
    const url = await createDatabase(postgres ?? "");
    try {
      const env = { DATABASE_URL: url, DJANGO_SECRET_KEY: "the-same-on-all-nodes-0123456789" };
      await using one = await startTestApp({ broker: "mosquitto", env });
      const broker = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(one.mqttPort) };
      await using two = await startTestApp({ env: { ...env, ...broker } });
      await using connector = await TestConnector.connect(one, "c");
      const id = await fresh(one, connector, "actuator");
      await until("the other's link", () => two.server.kernel.mqtt.status.connected);
      await using socket = await LiveSocket.open(one, native);
      await socket.subscribe({ datapoint: id, kind: "command" });
      const first = await write(two, id, 1);
      await stepsAt(socket, 2);
      const second = await write(one, id, 2);
      const events = await stepsAt(socket, 4);
      expect(events.map((event) => [commandIn(event).id, commandIn(event).state])).toEqual([
        [first, "accepted"],
        [first, "delivered"],
        [second, "accepted"],
        [second, "delivered"],
      ]);
      await using moved = await LiveSocket.open(two, native);
      await moved.subscribe({ datapoint: id, kind: "command", last_event_id: events[0]?.id });
      expect(await stepsAt(moved, 3)).toEqual(events.slice(1));
    } finally {
      await dropDatabase(postgres ?? "", url);
    }
  });
});
