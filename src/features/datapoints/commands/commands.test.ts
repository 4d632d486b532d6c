import { afterAll, beforeAll, expect, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../../test/app.ts";
import { TestClock } from "../../../../test/clock.ts";
import { type CommandJson, commandOf, fresh, stateOf, write } from "../../../../test/commands.ts";
import { TestConnector } from "../../../../test/connector.ts";
import { until } from "../../../../test/until.ts";

describeEachApp("commands", (kind) => {
  let app: TestApp;
  let connector: TestConnector;
  const clock = new TestClock();

  beforeAll(async () => {
    app = await startTestApp({ ...kind, clock });
    connector = await TestConnector.connect(app, "c");
  });
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]();
    await app?.[Symbol.asyncDispose]();
  });

  /** An actuator and a sensor that reads it back. */
  const pair = async (feedback: object): Promise<{ actuator: number; sensor: number }> => {
    const sensor = await fresh(app, connector, "sensor");
    const actuator = await fresh(app, connector, "actuator");
    const guard = { feedback: { datapoint: sensor, ...feedback } };
    await app.json("PUT", `/datapoint/${actuator}/guard/`, { body: guard, status: 201 });
    return { actuator, sensor };
  };
  const measure = (id: number, value: unknown, timestamp = clock.now()) =>
    connector.publish(`c/messages/${id}/value`, { value, timestamp });

  test("without feedback a command ends as delivered, with who and when", async () => {
    const id = await fresh(app, connector, "actuator");
    const before = clock.now();
    const timestamp = before - 5000;
    const response = await app.request("POST", `/datapoint/${id}/value/`, {
      body: { value: "17.5", timestamp },
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ value: 17.5, timestamp });
    const path = response.headers.get("busbar-command") ?? "";
    const command = await app.json<CommandJson>("GET", path);
    expect(path).toBe(`/commands/${command.id}/`);
    expect(command).toMatchObject({
      datapoint: id,
      connector: { name: "c" },
      kind: "value",
      message: { value: 17.5, timestamp },
      state: "delivered",
      final: true,
      reason: null,
      actor: { name: "admin", via: "basic" },
      safe_value: false,
      deadline: null,
      feedback: null,
      superseded_by: null,
    });
    const { accepted_at, published_at, taken_at, finished_at } = command;
    const times = [before, accepted_at, published_at, taken_at, finished_at, clock.now()];
    expect(times.toSorted((a, b) => Number(a) - Number(b))).toEqual(times);
  });

  test("a value read back within the tolerance confirms", async () => {
    const { actuator, sensor } = await pair({ tolerance: 0.5, deadline: 600 });
    const id = await write(app, actuator, 20);
    expect(await commandOf(app, id)).toMatchObject({ state: "taken", final: false });
    await measure(sensor, 19.4);
    await measure(sensor, 19.5, clock.now() - 60_000);
    const timestamp = clock.now();
    await measure(sensor, 20.5, timestamp);
    await until("the confirmation", async () => (await stateOf(app, id)) === "confirmed");
    expect(await commandOf(app, id)).toMatchObject({
      reason: null,
      feedback: { datapoint: sensor, tolerance: 0.5, deadline: 600, read_back: { value: 20.5, timestamp } },
    });
    await measure(sensor, 3);
    clock.pass(601);
    expect(await commandOf(app, await write(app, actuator, 20))).toMatchObject({ state: "taken" });
    expect(await stateOf(app, id)).toBe("confirmed");
  });

  test("texts and truth values must be equal", async () => {
    const { actuator, sensor } = await pair({ deadline: 600 });
    for (const [wanted, other] of [
      ["on", "off"],
      [true, 1],
      [null, "null"],
    ]) {
      const id = await write(app, actuator, wanted);
      await measure(sensor, other);
      await measure(sensor, wanted);
      await until("the confirmation", async () => (await stateOf(app, id)) === "confirmed");
      expect((await commandOf(app, id)).feedback?.read_back?.value).toEqual(wanted);
    }
  });

  test("another value until the deadline diverges, silence expires", async () => {
    const loud = await pair({ tolerance: 1, deadline: 30 });
    const silent = await pair({ tolerance: 1, deadline: 30 });
    const diverged = await write(app, loud.actuator, 20);
    const expired = await write(app, silent.actuator, 20);
    await measure(silent.sensor, 20, clock.now() - 120_000);
    await measure(loud.sensor, 5);
    const timestamp = clock.now();
    await measure(loud.sensor, 18.9, timestamp);
    clock.pass(31);
    // Too late.
    await measure(loud.sensor, 20);
    await until("the ends", async () => (await commandOf(app, expired)).final);
    await until("the ends", async () => (await commandOf(app, diverged)).final);
    expect(await commandOf(app, diverged)).toMatchObject({
      state: "diverged",
      reason: "18.9 was read back in place of 20.",
      feedback: { read_back: { value: 18.9, timestamp } },
    });
    expect(await commandOf(app, expired)).toMatchObject({ state: "expired", feedback: { read_back: null } });
    expect((await commandOf(app, expired)).reason).toContain("within 30 s");
  });

  test("our own message that comes back from the broker confirms nothing", async () => {
    const id = await fresh(app, connector, "actuator");
    const guard = { feedback: { datapoint: id, deadline: 600 } };
    await app.json("PUT", `/datapoint/${id}/guard/`, { body: guard, status: 201 });
    const first = clock.now() + 60_000;
    const older = await write(app, id, 7, first);
    const newer = await write(app, id, 7, first + 1);
    await until("both echoes", async () => {
      const values = await app.json<object[]>("GET", `/datapoint/${id}/value/`);
      return values.length === 2;
    });
    // Once more, as a broker does that delivers twice.
    await measure(id, 7, first);
    await measure(id, 7, first + 1);
    expect(await commandOf(app, older)).toMatchObject({ state: "superseded", superseded_by: newer });
    expect(await stateOf(app, newer)).toBe("taken");
    await measure(id, 7, first + 2);
    await until("the confirmation", async () => (await stateOf(app, newer)) === "confirmed");
    const { feedback } = await commandOf(app, newer);
    expect(feedback?.read_back).toEqual({ value: 7, timestamp: first + 2 });
  });

  test("a newer one supersedes one that waits, and no other", async () => {
    const { actuator, sensor } = await pair({ deadline: 600 });
    const other = await pair({ deadline: 600 });
    const unrelated = await write(app, other.actuator, 1);
    const [first, second] = [await write(app, actuator, 1), await write(app, actuator, 2)];
    expect(await commandOf(app, first)).toMatchObject({
      state: "superseded",
      superseded_by: second,
      reason: `The broker took command ${second} for the same datapoint.`,
    });
    await measure(sensor, 1);
    await measure(sensor, 2);
    await until("the confirmation", async () => (await stateOf(app, second)) === "confirmed");
    expect(await stateOf(app, unrelated)).toBe("taken");
  });

  test("an end is told once, to all who follow the changes", async () => {
    const { actuator, sensor } = await pair({ deadline: 600 });
    const states: unknown[] = [];
    const stop = app.server.kernel.changes.subscribe(({ resource, after }) => {
      const event = after as { datapoint?: number; state?: string } | null;
      if (resource === "command" && event?.datapoint === actuator) states.push(event.state);
    });
    const id = await write(app, actuator, 1);
    await measure(sensor, 1);
    await measure(sensor, 1);
    await until("the confirmation", async () => (await stateOf(app, id)) === "confirmed");
    stop();
    expect(states).toEqual(["accepted", "taken", "confirmed"]);
  });

  test("metrics tell how commands end, and how long confirmations take", async () => {
    const text = await (await app.request("GET", "/metrics/")).text();
    expect(text).toMatch(/busbar_commands_total\{kind="value",state="confirmed"\} [1-9]/);
    expect(text).toMatch(/busbar_commands_total\{kind="value",state="refused"\} 0/);
    expect(text).toMatch(/busbar_command_confirmation_seconds_count [1-9]/);
    expect(text).toMatch(/busbar_commands_open\{state="taken"\} [1-9]/);
  });
});
