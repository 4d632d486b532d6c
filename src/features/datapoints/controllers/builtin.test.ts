import { connectAsync, type MqttClient } from "mqtt";
import { describe, expect, inject, test } from "vitest";
import { startTestApp, type TestApp } from "../../../../test/app.ts";
import { describeEachEngine, type TestEngine } from "../../../../test/engines.ts";
import { createDatabase, dropDatabase } from "../../../../test/services/postgres.ts";
import { until } from "../../../../test/until.ts";

const t0 = 1_700_000_000_000;
const hour = 3_600_000;

/** A site of one sensor and one actuator that Busbar controls, and what the actuator is told. */
class Site implements AsyncDisposable {
  now = t0;
  sensor = 0;
  actuator = 0;
  pair = 0;
  readonly told: unknown[] = [];
  #app: TestApp | undefined;
  #client: MqttClient | undefined;

  static async start(engine: TestEngine): Promise<Site> {
    const site = new Site();
    const clock = { now: () => site.now };
    site.#app = await startTestApp({ engine, broker: "embedded", clock });
    await site.#connect();
    const body = ["sensor", "actuator"].map((type) => ({
      connector: { name: "c" },
      key_in_connector: type,
      type,
    }));
    const created = await site.app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    [site.sensor = 0, site.actuator = 0] = created.map(({ id }) => id);
    await site.app.json("POST", "/datapoint/activate/", { body: { ids: [site.sensor, site.actuator] } });
    await site.#client?.subscribeAsync(`c/messages/${site.actuator}/value`, { qos: 1 });
    const controller = await site.app.json<{ id: number }>("POST", "/controller/", {
      body: { name: "own" },
      status: 201,
    });
    const pair = await site.app.json<{ id: number }>("POST", "/controlled_datapoint/", {
      body: {
        controller: controller.id,
        sensor_datapoint: site.sensor,
        actuator_datapoint: site.actuator,
        builtin: true,
      },
      status: 201,
    });
    site.pair = pair.id;
    return site;
  }

  get app(): TestApp {
    if (!this.#app) throw new Error("The server is not started yet.");
    return this.#app;
  }

  send(kind: "setpoint" | "schedule", items: readonly object[] | null): Promise<unknown> {
    const body = { [kind]: items, timestamp: ++this.now };
    const path = `/datapoint/${this.actuator}/${kind}/?values=native`;
    return this.app.json("POST", path, { body, status: 201 });
  }

  async measure(value: unknown): Promise<void> {
    const payload = JSON.stringify({ value, timestamp: ++this.now });
    await this.#client?.publishAsync(`c/messages/${this.sensor}/value`, payload, { qos: 1 });
  }

  /** Once the actuator has been told just this, in this order, since the start. */
  async hasTold(...values: readonly unknown[]): Promise<void> {
    await until(`${JSON.stringify(values)} to be told`, () => this.told.length >= values.length);
    expect(this.told).toEqual(values);
  }

  async restart(): Promise<void> {
    await this.#client?.endAsync(true);
    await this.app.restart();
    await this.#connect();
    await this.#client?.subscribeAsync(`c/messages/${this.actuator}/value`, { qos: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.endAsync(true);
    await this.#app?.[Symbol.asyncDispose]();
  }

  async #connect(): Promise<void> {
    this.#client = await connectAsync(this.app.mqttUrl);
    this.#client.on("message", (_topic, payload) => {
      this.told.push((JSON.parse(payload.toString()) as { value: unknown }).value);
    });
  }
}

const always = { from_timestamp: null, to_timestamp: null };

describeEachEngine("the built-in controller", (engine) => {
  test("obeys schedule, setpoint and sensor, and tells only what changes", async () => {
    await using site = await Site.start(engine);
    await site.send("schedule", [{ ...always, value: 10 }]);
    await site.hasTold(10);
    await site.send("schedule", [{ ...always, value: 10 }]);
    const bounds = { min_value: 19, max_value: 21 };
    await site.send("setpoint", [{ ...always, preferred_value: 20, ...bounds }]);
    await site.measure(20);
    await site.measure(25);
    await site.hasTold(10, 20);
    await site.measure(24);
    await site.measure(21);
    await site.hasTold(10, 20, 10);
    await site.send("setpoint", [{ ...always, preferred_value: 30 }]);
    await site.hasTold(10, 20, 10, 30);
    await site.send("setpoint", null);
    await site.hasTold(10, 20, 10, 30, 10);
    await site.send("schedule", [{ ...always, value: null }]);
    await site.hasTold(10, 20, 10, 30, 10, null);
    const commands = await site.app.json("GET", `/commands/?datapoint=${site.actuator}`);
    expect(JSON.stringify(commands)).toContain("built-in controller");
  });

  test("begins and ends items at their times, also when it was restarted in the middle of one", async () => {
    await using site = await Site.start(engine);
    const later = t0 + hour;
    await site.send("schedule", [{ ...always, value: "planned" }]);
    await site.hasTold("planned");
    await site.send("setpoint", [
      { from_timestamp: later, to_timestamp: later + hour, preferred_value: "wanted" },
      // Beyond the 24 days after which timers fire at once.
      { from_timestamp: later + 900 * hour, to_timestamp: null, preferred_value: "much later" },
    ]);
    site.now = later;
    await site.hasTold("planned", "wanted");
    await site.restart();
    site.now = later + hour - 10;
    await site.send("schedule", [{ ...always, value: "planned anew" }]);
    site.now = later + hour;
    await site.hasTold("planned", "wanted", "planned anew");
    site.now = later + 900 * hour;
    await site.hasTold("planned", "wanted", "planned anew", "much later");
  });

  test("leaves alone what is switched off, given to others, or told nothing", async () => {
    await using site = await Site.start(engine);
    const path = `/controlled_datapoint/${site.pair}/`;
    await site.app.json("PATCH", path, { body: { builtin: false } });
    await site.send("schedule", [{ ...always, value: 1 }]);
    await site.app.json("PATCH", path, { body: { builtin: true, is_active: false } });
    await site.send("schedule", [{ ...always, value: 2 }]);
    await site.app.json("PATCH", path, { body: { is_active: true } });
    await site.hasTold(2);
    await site.send("schedule", []);
    // Somebody else moves it while nothing is said about it; the next item counts anew.
    const body = { value: "3", timestamp: ++site.now };
    await site.app.json("POST", `/datapoint/${site.actuator}/value/`, { body, status: 201 });
    await site.hasTold(2, 3);
    await site.send("schedule", [{ ...always, value: 2 }]);
    await site.hasTold(2, 3, 2);
  });
});

test("what the actuator does not take is not sent, and keeps nobody else waiting", async () => {
  const now = Date.now();
  await using app = await startTestApp({ broker: "embedded", clock: { now: () => now } });
  const body = [
    { connector: { name: "c" }, key_in_connector: "s", type: "sensor" },
    { connector: { name: "c" }, key_in_connector: "a", type: "actuator", data_format: "generic_numeric" },
    { connector: { name: "c" }, key_in_connector: "b", type: "actuator", data_format: "generic_numeric" },
  ];
  const created = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  const [sensor, first, second] = created.map(({ id }) => id);
  await app.json("POST", "/datapoint/activate/", { body: { ids: [sensor, first, second] } });
  const { id } = await app.json<{ id: number }>("POST", "/controller/", { body: { name: "k" }, status: 201 });
  for (const actuator of [first, second]) {
    const pair = { controller: id, sensor_datapoint: sensor, actuator_datapoint: actuator, builtin: true };
    await app.json("POST", "/controlled_datapoint/", { body: pair, status: 201 });
  }
  await using client = await connectAsync(app.mqttUrl).then((one) => ({
    publish: (actuator: number | undefined, value: unknown) =>
      one.publishAsync(
        `c/messages/${actuator}/schedule`,
        JSON.stringify({ schedule: [{ ...always, value }], timestamp: now }),
        { qos: 1 },
      ),
    [Symbol.asyncDispose]: () => one.endAsync(true),
  }));
  // Over MQTT nothing is checked.
  await client.publish(first, "no number");
  await client.publish(second, 5);
  const values = (actuator: number | undefined) => app.json<object[]>("GET", `/datapoint/${actuator}/value/`);
  await until("the good one", async () => (await values(second)).length === 1);
  expect(await values(first)).toEqual([]);
});

const postgres = inject("postgres");

describe.skipIf(!inject("mosquitto") || postgres === null)("the built-in controller on two nodes", () => {
  test("acts on one of them, and on the other when that one goes", async () => {
    const url = await createDatabase(postgres ?? "");
    try {
      const env = { DATABASE_URL: url, DJANGO_SECRET_KEY: "the-same-on-all-nodes-0123456789" };
      await using a = await startTestApp({ broker: "mosquitto", env });
      const broker = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(a.mqttPort) };
      await using b = await startTestApp({ env: { ...env, ...broker } });
      const body = ["sensor", "actuator"].map((type) => ({
        connector: { name: "c" },
        key_in_connector: type,
        type,
      }));
      const created = await a.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
      const [sensor, actuator] = created.map(({ id }) => id);
      await a.json("POST", "/datapoint/activate/", { body: { ids: [sensor, actuator] } });
      const { id } = await a.json<{ id: number }>("POST", "/controller/", {
        body: { name: "k" },
        status: 201,
      });
      const pair = { controller: id, sensor_datapoint: sensor, actuator_datapoint: actuator, builtin: true };
      await a.json("POST", "/controlled_datapoint/", { body: pair, status: 201 });

      const told: unknown[] = [];
      await using client = await connectAsync(a.mqttUrl).then((one) => ({
        one,
        [Symbol.asyncDispose]: () => one.endAsync(true),
      }));
      client.one.on("message", (_topic, payload) => {
        told.push((JSON.parse(payload.toString()) as { value: unknown }).value);
      });
      await client.one.subscribeAsync(`c/messages/${actuator}/value`, { qos: 1 });
      const plan = async (app: TestApp, value: number) => {
        const message = { schedule: [{ ...always, value }], timestamp: Date.now() };
        const path = `/datapoint/${actuator}/schedule/?values=native`;
        await app.json("POST", path, { body: message, status: 201 });
        await until(`${value} to be told`, () => told.includes(value), 30_000);
      };
      await plan(a, 1);
      await a.stop();
      await plan(b, 2);
      await a.start();
      await b.stop();
      await plan(a, 3);
      expect(told).toEqual([1, 2, 3]);
    } finally {
      await dropDatabase(postgres ?? "", url);
    }
  });
});
