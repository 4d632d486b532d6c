import { afterEach, describe, expect, it } from "vitest";
import { adminName, adminPassword, startTestApp, type TestApp } from "../../test/app.ts";
import { until } from "../../test/until.ts";
import { actuators, sensors } from "./catalogue.ts";
import { type RunningSite, startSite } from "./run.ts";

interface Datapoint {
  readonly id: number;
  readonly key_in_connector: string;
  readonly unit: string;
  readonly short_name: string;
  readonly data_format: string;
}

interface Message {
  readonly value: unknown;
  readonly timestamp: number;
}

const day = 86_400_000;
const authorization = `Basic ${Buffer.from(`${adminName}:${adminPassword}`).toString("base64")}`;
const opened: AsyncDisposable[] = [];

afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

async function startApp(): Promise<TestApp> {
  const app = await startTestApp({ broker: "embedded" });
  opened.push(app);
  return app;
}

async function start(app: TestApp, options: { days?: number; every?: number; lines?: string[] } = {}) {
  const { lines = [], ...rest } = options;
  const report = (line: string) => lines.push(line);
  const site = await startSite({
    url: app.url,
    mqttUrl: app.mqttUrl,
    authorization,
    every: 50,
    ...rest,
    report,
  });
  opened.push(site);
  return site;
}

const values = (app: TestApp, site: RunningSite, key: string, query = ""): Promise<readonly Message[]> =>
  app.json("GET", `/datapoint/${site.idOf(key)}/value/?values=native${query}`);

describe("the demo site", () => {
  it("is there with all datapoints described, 30 days of history and live values", async () => {
    const app = await startApp();
    const from = Date.now();
    const site = await start(app);
    const datapoints = await app.json<Datapoint[]>("GET", "/datapoint/?connector__name=demo-site");
    expect(datapoints).toHaveLength(sensors.length + actuators.length);
    for (const source of [...sensors, ...actuators]) {
      const { key, unit, short_name, data_format } = source;
      expect(datapoints).toContainEqual(
        expect.objectContaining({ key_in_connector: key, unit, short_name, data_format }),
      );
      const history = await values(app, site, key);
      expect(history[0]?.timestamp).toBeLessThanOrEqual(from - 30 * day + 300_000);
      expect(history.length).toBeGreaterThanOrEqual(30);
    }
    expect((await values(app, site, "pv/power", `&timestamp__lte=${from}`)).length).toBeGreaterThanOrEqual(
      30 * 288,
    );
    await until("live values of all sensors", async () => {
      const { msgs_by_datapoint_id: last } = await app.json<{
        msgs_by_datapoint_id: Record<string, { timestamp: number }>;
      }>("GET", "/datapoint/last_value/");
      return sensors.every(({ key }) => (last[String(site.idOf(key))]?.timestamp ?? 0) > from);
    });
    const connectors = await app.json<{ name: string; id: number }[]>("GET", "/connector/");
    const { id } = connectors.find(({ name }) => name === "demo-site") ?? { id: 0 };
    await until("a sign of life", async () => {
      const { alive } = await app.json<{ alive: boolean | null }>("GET", `/connector/${id}/`);
      return alive;
    });
  });

  it("obeys its actuators", async () => {
    const app = await startApp();
    const site = await start(app, { days: 1 });
    const send = (key: string, value: unknown) =>
      app.json("POST", `/datapoint/${site.idOf(key)}/value/`, {
        body: { value: JSON.stringify(value), timestamp: Date.now() },
        status: 201,
      });
    await send("heat_pump/room_setpoint", 24.5);
    await send("heat_pump/enable", false);
    await send("battery/mode", "charge");
    await until("the controls", () => site.controls.batteryMode === "charge");
    expect(site.controls).toMatchObject({ roomSetpoint: 24.5, heatPumpEnabled: false });
    await until("what follows from them", async () => {
      const state = (await values(app, site, "heat_pump/state")).at(-1);
      const power = (await values(app, site, "battery/power")).at(-1);
      return state?.value === "off" && Number(power?.value) > 4000;
    });
  });

  it("goes on where it ended, without a value twice, and keeps what a person has edited", async () => {
    const app = await startApp();
    const first = await start(app, { days: 2 });
    await app.json("PATCH", `/datapoint/${first.idOf("pv/power")}/`, { body: { description: "the roof" } });
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [first.idOf("weather/pressure")] } });
    await app.json("POST", `/datapoint/${first.idOf("heat_pump/room_setpoint")}/value/`, {
      body: { value: "19.5", timestamp: Date.now() },
      status: 201,
    });
    await until("the setpoint", () => first.controls.roomSetpoint === 19.5);
    await until("a stored setpoint", async () =>
      (await values(app, first, "heat_pump/room_setpoint")).some(({ value }) => value === 19.5),
    );
    await first[Symbol.asyncDispose]();
    const before = await values(app, first, "pv/energy");
    const second = await start(app, { days: 2 });
    // At most the one or two five-minute marks which passed meanwhile.
    expect(second.imported).toBeLessThanOrEqual(2 * sensors.length);
    expect(second.controls.roomSetpoint).toBe(19.5);
    const newer = `&timestamp__gt=${before.at(-1)?.timestamp}`;
    await until("new values", async () => (await values(app, second, "pv/energy", newer)).length > 1);
    const after = await values(app, second, "pv/energy");
    expect(after.slice(0, before.length)).toEqual(before);
    const counts = after.map(({ value }) => Number(value));
    expect(counts.every((count, index) => index === 0 || count >= (counts[index - 1] ?? 0))).toBe(true);
    expect(await app.json("GET", `/datapoint/${second.idOf("pv/power")}/`)).toMatchObject({
      description: "the roof",
    });
    const active = await app.json<Datapoint[]>("GET", "/datapoint/");
    expect(active).toHaveLength(sensors.length + actuators.length - 1);
  });
});
