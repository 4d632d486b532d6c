import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../../test/app.ts";
import { TestClock } from "../../../../test/clock.ts";
import { type CommandJson, commandOf, fresh, idOf, stateOf, write } from "../../../../test/commands.ts";
import { TestConnector } from "../../../../test/connector.ts";
import { describeEachEngine } from "../../../../test/engines.ts";
import { until } from "../../../../test/until.ts";

describeEachEngine("guard rails", (engine) => {
  let app: TestApp;
  let connector: TestConnector;
  const clock = new TestClock();

  beforeAll(async () => {
    app = await startTestApp({ engine, broker: "embedded", clock });
    connector = await TestConnector.connect(app, "c");
  });
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]();
    await app?.[Symbol.asyncDispose]();
  });

  const guarded = async (guard: object, more: object = {}): Promise<number> => {
    const id = await fresh(app, connector, "actuator", more);
    await app.json("PUT", `/datapoint/${id}/guard/`, { body: guard, status: 201 });
    return id;
  };
  const post = (id: number, value: unknown, timestamp = clock.now()) =>
    app.request("POST", `/datapoint/${id}/value/?values=native`, { body: { value, timestamp } });
  const stored = (id: number) => app.json<{ value: string }[]>("GET", `/datapoint/${id}/value/`);

  /** Must be refused by this rule. @returns seconds to wait */
  const refused = async (id: number, value: unknown, rule: string): Promise<number> => {
    const response = await post(id, value);
    expect([response.status, rule]).toEqual([409, rule]);
    const problem = (await response.json()) as { errors: { pointer: string; detail: string }[] };
    expect(problem).toMatchObject({ type: "/problems/guard-rail", fields: { value: [expect.any(String)] } });
    expect(problem.errors[0]?.pointer).toBe("/value");
    expect(problem.errors[0]?.detail).toMatch(new RegExp(`^${rule}: .*\\d`));
    const command = await commandOf(app, idOf(response));
    expect(command).toMatchObject({
      state: "refused",
      final: true,
      published_at: null,
      message: { value },
    });
    expect(problem.errors[0]?.detail).toBe(`${rule}: ${command.reason}`);
    return Number(response.headers.get("retry-after"));
  };

  test("what is outside the limits is refused, written down, and never sent", async () => {
    const id = await guarded({ min: -5, max: 80.5 });
    await refused(id, -5.1, "min");
    await refused(id, 81, "max");
    for (const value of [-5, 80.5, null, "text"]) await write(app, id, value);
    await until("the echoes", async () => (await stored(id)).length > 0);
    const sent = connector.commands.map(({ value }) => value);
    expect(sent).not.toContain(-5.1);
    expect(sent).not.toContain(81);
  });

  test("the rate of change is measured from the last write", async () => {
    const id = await guarded({ max_rate: 2 });
    await write(app, id, 100);
    expect(await refused(id, 200, "max_rate")).toBe(50);
    clock.pass(49);
    await refused(id, 200, "max_rate");
    clock.pass(1.1);
    await write(app, id, 200);
    await refused(id, 0, "max_rate");
    await write(app, id, 200);
    // From a number to what is none there is no rate, and back.
    await write(app, id, null);
    await write(app, id, 0);
  });

  test("without a write before, the rate is measured from what was last seen", async () => {
    const id = await guarded({ max_rate: 1 });
    await connector.publish(`c/messages/${id}/value`, { value: 10, timestamp: clock.now() });
    await until("the value", async () => (await stored(id)).length === 1);
    await refused(id, 1000, "max_rate");
    clock.pass(100);
    await write(app, id, 100);
    // Somebody else's write counts like ours.
    clock.pass(1);
    await connector.publish(`c/messages/${id}/value`, { value: 500, timestamp: clock.now() });
    await until("the value", async () => (await stored(id)).length === 3);
    await refused(id, 101, "max_rate");
  });

  test("writes keep their distance, whoever sends them and whenever the clock is set back", async () => {
    const id = await guarded({ min_interval: 30 });
    await write(app, id, 1);
    expect(await refused(id, 1, "min_interval")).toBe(30);
    clock.pass(-10);
    await refused(id, 1, "min_interval");
    clock.pass(39.5);
    await refused(id, 1, "min_interval");
    clock.pass(0.6);
    await write(app, id, 1);
  });

  test("of many writes at once one passes", async () => {
    const id = await guarded({ min_interval: 60 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, value) => post(id, value)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(19).fill(409)]);
    const states = await app.json<CommandJson[]>("GET", `/commands/?datapoint=${id}`);
    expect(states.filter(({ state }) => state === "refused")).toHaveLength(19);
    const rated = await guarded({ max_rate: 0.001 });
    const rates = await Promise.all(Array.from({ length: 20 }, (_, value) => post(rated, value * 10)));
    expect(rates.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  test("when nothing newer comes in time the safe value is sent, once", async () => {
    const id = await guarded({ expiry: { after: 60, value: "18" }, min_interval: 3600 });
    const first = await write(app, id, 25);
    clock.pass(59);
    await app.json("PUT", `/datapoint/${id}/guard/`, { body: { expiry: { after: 60, value: "18" } } });
    const second = await write(app, id, 26);
    clock.pass(58);
    await app.json("GET", "/datapoint/");
    expect(await app.json("GET", `/commands/?datapoint=${id}`)).toHaveLength(2);
    clock.pass(3);
    const commands = await until("the safe value", async () => {
      const list = await app.json<CommandJson[]>("GET", `/commands/?datapoint=${id}`);
      return list.length > 2 && list[0]?.final && list;
    });
    expect(commands.map((command) => command.id)).toEqual([commands[0]?.id, second, first]);
    expect(commands[0]).toMatchObject({
      state: "delivered",
      safe_value: true,
      message: { value: 18 },
      actor: { id: null, name: "safe value" },
    });
    await until("the connector to get it", () => connector.commands.at(-1)?.value === 18);
    clock.pass(3600);
    await app.restart();
    clock.pass(3600);
    expect(await app.json("GET", `/commands/?datapoint=${id}`)).toHaveLength(3);
    await connector[Symbol.asyncDispose]();
    connector = await TestConnector.connect(app, "c");
  });

  test("an expiry runs on over a restart", async () => {
    const id = await guarded({ expiry: { after: 600, value: "false" } });
    await write(app, id, true);
    await app.stop();
    clock.pass(601);
    await app.start();
    const safe = await until("the safe value", async () => {
      const [newest] = await app.json<CommandJson[]>("GET", `/commands/?datapoint=${id}`);
      return newest?.safe_value && newest.final && newest;
    });
    expect(safe.message.value).toBe(false);
    await connector[Symbol.asyncDispose]();
    connector = await TestConnector.connect(app, "c");
  });

  test("they are set, read, changed and removed, and every change is recorded", async () => {
    const sensor = await fresh(app, connector, "sensor");
    const id = await fresh(app, connector, "actuator", { data_format: "generic_numeric" });
    const path = `/datapoint/${id}/guard/`;
    await app.json("GET", path, { status: 404 });
    await app.json("DELETE", path, { status: 404 });
    const guard = {
      min: 1,
      max: 9,
      max_rate: 0.5,
      min_interval: 2.5,
      feedback: { datapoint: sensor, tolerance: 0.1, deadline: 30 },
      expiry: { after: 900, value: "5" },
    };
    const created = await app.request("PUT", path, { body: guard });
    expect([created.status, await created.json()]).toEqual([201, guard]);
    expect(await app.json("GET", path)).toEqual(guard);
    expect(await app.json("GET", `${path}?values=native`)).toMatchObject({ expiry: { value: 5 } });
    const headers = { "if-match": created.headers.get("etag") ?? "" };
    const empty = {
      min: null,
      max: null,
      max_rate: null,
      min_interval: null,
      feedback: null,
      expiry: null,
    };
    expect(await app.json("PUT", path, { body: {}, headers })).toEqual(empty);
    await app.json("PUT", path, { body: guard, headers, status: 412 });
    await app.json("DELETE", path, { headers, status: 412 });
    await app.json("DELETE", path, { status: 204 });
    const { changes, database } = app.server.kernel;
    const rows = await changes.list(database.read, {
      resource: "datapointguard",
      object: String(id),
      limit: 9,
    });
    expect(rows.map(({ action, actor }) => [action, actor.name])).toEqual([
      ["delete", "admin"],
      ["update", "admin"],
      ["create", "admin"],
    ]);
    expect(rows[1]).toMatchObject({ before: { min: 1, expiry: { after: 900, value: 5 } }, after: empty });
  });

  test.each([
    [{ min: 5, max: 4 }, "min"],
    [{ max_rate: 0 }, "max_rate"],
    [{ min_interval: -1 }, "min_interval"],
    [{ min: "5" }, "min"],
    [{ minimum: 5 }, "minimum"],
    [{ feedback: { datapoint: 999_999, deadline: 5 } }, "feedback"],
    [{ feedback: { deadline: 5 } }, "feedback"],
    [{ expiry: { after: 10, value: '"x"' } }, "expiry"],
    [{ expiry: { after: 10, value: "x" } }, "expiry"],
    [{ max: 3, expiry: { after: 10, value: "4" } }, "expiry"],
    [{ expiry: { after: 0, value: "4" } }, "expiry"],
    [[], ""],
  ])("%j is not taken, by the field %s", async (guard, field) => {
    const id = await fresh(app, connector, "actuator", { data_format: "generic_numeric" });
    const path = `/datapoint/${id}/guard/`;
    const problem = await app.json<{ fields: object }>("PUT", path, { body: guard, status: 400 });
    expect(JSON.stringify(problem)).toContain(field);
    await app.json("GET", path, { status: 404 });
  });

  test("only actuators have them, and feedback comes from active datapoints", async () => {
    const sensor = await fresh(app, connector, "sensor");
    await app.json("PUT", `/datapoint/${sensor}/guard/`, { body: {}, status: 400 });
    await app.json("PUT", "/datapoint/999999/guard/", { body: {}, status: 404 });
    const id = await fresh(app, connector, "actuator");
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [sensor] } });
    const body = { feedback: { datapoint: sensor, deadline: 5 } };
    await app.json("PUT", `/datapoint/${id}/guard/`, { body, status: 400 });
  });

  test("they go with their datapoint; commands stay, and find their end", async () => {
    const sensor = await fresh(app, connector, "sensor");
    const id = await guarded({ feedback: { datapoint: sensor, deadline: 60 } });
    const command = await write(app, id, 1);
    const other = await guarded({ feedback: { datapoint: sensor, deadline: 60 } });
    await app.json("DELETE", `/datapoint/${id}/`, { status: 204 });
    await app.json("DELETE", `/datapoint/${sensor}/`, { status: 204 });
    await app.json("GET", `/datapoint/${id}/guard/`, { status: 404 });
    expect(await app.json("GET", `/datapoint/${other}/guard/`)).toMatchObject({ feedback: null });
    clock.pass(61);
    await until("the end", async () => (await commandOf(app, command)).final);
    expect((await commandOf(app, command)).reason).toContain("does not exist any more");
    expect(await stateOf(app, command)).toBe("expired");
  });
});
