import { describe, expect, inject, test } from "vitest";
import { startTestApp, type TestApp } from "../../../../test/app.ts";
import { TestClock } from "../../../../test/clock.ts";
import { type CommandJson, commandOf, fresh, idOf, write } from "../../../../test/commands.ts";
import { TestConnector } from "../../../../test/connector.ts";
import { describeEachEngine } from "../../../../test/engines.ts";
import { ScriptedBroker } from "../../../../test/mqtt/scripted-broker.ts";
import { createDatabase, dropDatabase } from "../../../../test/services/postgres.ts";
import { until } from "../../../../test/until.ts";

const connected = (app: TestApp, state: boolean) =>
  until(`the link to be ${state ? "up" : "down"}`, () => app.server.kernel.mqtt.status.connected === state);

/** An actuator of connector `c` that nobody has activated. */
async function actuatorOf(app: TestApp): Promise<number> {
  const body = [{ connector: { name: "c" }, key_in_connector: "a", type: "actuator" }];
  return (await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 }))[0]?.id ?? 0;
}

describeEachEngine("commands and a broker in trouble", (engine) => {
  const start = async (clock = new TestClock()) => {
    const broker = await ScriptedBroker.start();
    const env = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(broker.port) };
    const app = await startTestApp({ engine, env, clock });
    await connected(app, true);
    return { broker, app, clock, id: await actuatorOf(app) };
  };
  const post = (app: TestApp, id: number, value: number) =>
    app.request("POST", `/datapoint/${id}/value/`, { body: { value, timestamp: Date.now() } });

  test("while it is away, a command fails with the reason, and is not sent later", async () => {
    const { broker, app, id } = await start();
    await using _app = app;
    await using _broker = broker;
    await broker.goAway();
    await connected(app, false);
    const response = await post(app, id, 1);
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { type: "/problems/broker-unavailable" },
    ]);
    const command = await commandOf(app, idOf(response));
    expect(command).toMatchObject({ state: "failed", final: true, published_at: null, taken_at: null });
    expect(command.reason).toContain("cannot be reached");
    await broker.arise();
    await connected(app, true);
    expect((await post(app, id, 2)).status).toBe(201);
    expect(broker.published.map(({ payload }) => JSON.parse(payload.toString()).value)).toEqual([2]);
  });

  test("when the connection is lost before the acknowledgement, it says that it may have arrived", async () => {
    const { broker, app, id } = await start();
    await using _app = app;
    await using _broker = broker;
    broker.mode = "cut";
    const response = await post(app, id, 1);
    expect(response.status).toBe(503);
    const command = await commandOf(app, idOf(response));
    expect(command).toMatchObject({ state: "failed", published_at: expect.any(Number), taken_at: null });
    expect(command.reason).toContain("lost");
    await connected(app, true);
    expect(broker.published).toHaveLength(1);
  });

  test("while the broker takes its time, the command is published; given up, it stays failed", async () => {
    const { broker, app, clock, id } = await start();
    await using _app = app;
    await using _broker = broker;
    broker.mode = "hold";
    const posted = post(app, id, 1);
    const [open] = await until("the publication to be noted", async () => {
      const list = await app.json<CommandJson[]>("GET", "/commands/?state=published");
      return list.length > 0 && list;
    });
    expect(open).toMatchObject({ final: false, published_at: expect.any(Number), finished_at: null });
    clock.pass(16);
    const path = `/commands/${open?.id}/`;
    await until("the end", async () => (await app.json<CommandJson>("GET", path)).final);
    broker.release();
    const response = await posted;
    expect([response.status, response.headers.get("busbar-command")]).toEqual([503, path]);
    expect(await app.json("GET", path)).toMatchObject({ state: "failed", taken_at: null });
  });

  test("guard rails do not count what never left, and count what may have", async () => {
    const { broker, app, id } = await start();
    await using _app = app;
    await using _broker = broker;
    await app.json("PUT", `/datapoint/${id}/guard/`, { body: { min_interval: 3600 }, status: 201 });
    await broker.goAway();
    await connected(app, false);
    expect((await post(app, id, 1)).status).toBe(503);
    await broker.arise();
    await connected(app, true);
    broker.mode = "cut";
    expect((await post(app, id, 2)).status).toBe(503);
    await connected(app, true);
    expect((await post(app, id, 3)).status).toBe(409);
    expect(broker.published).toHaveLength(1);
  });

  test("a safe value that could not be sent is sent when the broker is back", async () => {
    const { broker, app, clock, id } = await start();
    await using _app = app;
    await using _broker = broker;
    const body = { expiry: { after: 60, value: "4" } };
    await app.json("PUT", `/datapoint/${id}/guard/`, { body, status: 201 });
    expect((await post(app, id, 9)).status).toBe(201);
    broker.mode = "cut";
    clock.pass(61);
    const failed = await until("the first attempt", async () => {
      const [newest] = await app.json<CommandJson[]>("GET", "/commands/");
      return newest?.safe_value && newest.final && newest;
    });
    expect(failed.state).toBe("failed");
    clock.pass(6);
    await until("the second attempt", async () => {
      const [newest] = await app.json<CommandJson[]>("GET", "/commands/");
      return newest?.safe_value && newest.state === "delivered";
    });
    clock.pass(3600);
    await app.restart();
    expect((await app.json<object[]>("GET", "/commands/")).length).toBe(3);
  });
});

const postgres = inject("postgres");

describe.skipIf(!inject("mosquitto") || postgres === null)("commands on two nodes", () => {
  test("guard rails hold across them, either confirms, and a safe value goes out once", async () => {
    const url = await createDatabase(postgres ?? "");
    try {
      const clock = new TestClock();
      const env = { DATABASE_URL: url, DJANGO_SECRET_KEY: "the-same-on-all-nodes-0123456789" };
      await using a = await startTestApp({ broker: "mosquitto", env, clock });
      const broker = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(a.mqttPort) };
      await using b = await startTestApp({ env: { ...env, ...broker }, clock });
      await using connector = await TestConnector.connect(a, "c");
      const sensor = await fresh(a, connector, "sensor");
      const id = await fresh(a, connector, "actuator");
      const guard = { min_interval: 30, feedback: { datapoint: sensor, deadline: 600 } };
      await a.json("PUT", `/datapoint/${id}/guard/`, { body: guard, status: 201 });

      const body = { value: 1, timestamp: clock.now() };
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? a : b).request("POST", `/datapoint/${id}/value/`, { body }),
        ),
      );
      const passed = answers.filter(({ status }) => status === 201);
      expect(passed).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
      const command = idOf(passed[0] ?? new Response());
      await until("both to know it", async () => (await commandOf(b, command)).state === "taken");
      await connector.publish(`c/messages/${sensor}/value`, { value: 1, timestamp: clock.now() });
      await until("the confirmation", async () => (await commandOf(b, command)).state === "confirmed");

      const expiring = { expiry: { after: 60, value: "0" } };
      await b.json("PUT", `/datapoint/${id}/guard/`, { body: expiring });
      await write(b, id, 5);
      // The other one goes on when the holder of the lease is gone.
      await a.stop();
      clock.pass(61);
      await until("the safe value", async () => {
        const [newest] = await b.json<CommandJson[]>("GET", `/commands/?datapoint=${id}`);
        return newest?.safe_value && newest.final;
      });
      await a.start();
      clock.pass(3600);
      await write(a, id, 6);
      const all = await b.json<CommandJson[]>("GET", `/commands/?datapoint=${id}`);
      expect(all.filter(({ safe_value }) => safe_value)).toHaveLength(1);
      expect(all.filter(({ state }) => state === "refused")).toHaveLength(19);
    } finally {
      await dropDatabase(postgres ?? "", url);
    }
  });
});
