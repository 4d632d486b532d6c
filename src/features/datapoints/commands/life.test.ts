import fc from "fast-check";
import { expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../../test/app.ts";
import { type CommandJson, idOf } from "../../../../test/commands.ts";
import { describeEachEngine, type TestEngine } from "../../../../test/engines.ts";
import { ScriptedBroker } from "../../../../test/mqtt/scripted-broker.ts";
import { until } from "../../../../test/until.ts";
import { serverActor } from "../../../kernel/changes/actor.ts";
import { acceptAll } from "./acceptance.ts";
import { firstStep } from "./events.ts";
import { ModelActuator, type ModelGuard } from "./life.fixture.ts";
import { type finalStates, isFinal } from "./model.ts";

/**
 * Random writes, guard rails, feedback, clock steps, restarts and broker outages against a plain model: a refused command
 * never reaches the wire, and every command ends in exactly one final state.
 */

const actuators = 2;
const which = fc.nat({ max: actuators - 1 });
const value = fc.integer({ min: 0, max: 12 }).map((step) => step * 5);

/** `own`: the actuator's own topic is the feedback. Halves of a second, so that no clock step meets a deadline. */
const guard = fc.record(
  {
    min: fc.constantFrom(5, 20),
    max: fc.constantFrom(40, 55),
    max_rate: fc.constantFrom(0.25, 4),
    min_interval: fc.constantFrom(5.5, 40.5),
    feedback: fc.record({
      own: fc.boolean(),
      tolerance: fc.constantFrom(0, 5),
      deadline: fc.constantFrom(10.5, 60.5),
    }),
    expiry: fc.record({ after: fc.constantFrom(20.5, 90.5), value: fc.constantFrom("20", "40") }),
  },
  { requiredKeys: [] },
);

type Step =
  | { readonly kind: "write" | "cut" | "orphan" | "late"; readonly on: number; readonly value: number }
  | {
      readonly kind: "hear";
      readonly on: number;
      readonly own: boolean;
      readonly value: number;
      readonly ago: number;
    }
  | { readonly kind: "guard"; readonly on: number; readonly guard: GuardChoice | undefined }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "away" | "back" | "restart" };
type GuardChoice = Omit<ModelGuard, "feedback"> & {
  readonly feedback?: { readonly own: boolean; readonly tolerance: number; readonly deadline: number };
};

const only = <K extends string>(kind: K) => fc.record({ kind: fc.constant(kind) });
const writing = <K extends string>(kind: K) => fc.record({ kind: fc.constant(kind), on: which, value });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: writing("write") },
  { weight: 1, arbitrary: writing("cut") },
  { weight: 2, arbitrary: writing("orphan") },
  { weight: 1, arbitrary: writing("late") },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("hear" as const),
      on: which,
      own: fc.boolean(),
      value,
      ago: fc.constantFrom(0, 500, 30_000),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("guard" as const),
      on: which,
      guard: fc.option(guard as fc.Arbitrary<GuardChoice>, { nil: undefined, freq: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.constantFrom(-20, 1, 3, 8, 8, 16, 30, 61, 100),
    }),
  },
  { weight: 2, arbitrary: only("away") },
  { weight: 3, arbitrary: only("back") },
  { weight: 1, arbitrary: only("restart") },
);

class Run implements AsyncDisposable {
  readonly #app: TestApp;
  readonly #broker: ScriptedBroker;
  readonly #clock: { now: number };
  readonly #models = Array.from({ length: actuators }, () => new ModelActuator());
  readonly #ids: { actuator: number; sensor: number }[] = [];
  /** Everything stored of what may be feedback. */
  readonly #heard = new Map<number, { time: number; value: number }[]>();
  #isUp = true;

  private constructor(app: TestApp, broker: ScriptedBroker, clock: { now: number }) {
    this.#app = app;
    this.#broker = broker;
    this.#clock = clock;
  }

  static async start(engine: TestEngine): Promise<Run> {
    const broker = await ScriptedBroker.start();
    const clock = { now: Date.UTC(2026, 0, 1) };
    const env = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(broker.port) };
    const app = await startTestApp({ engine, env, clock: { now: () => clock.now } });
    const run = new Run(app, broker, clock);
    await run.#setUp();
    return run;
  }

  async #setUp(): Promise<void> {
    const body = this.#models.flatMap((_, index) =>
      ["actuator", "sensor"].map((type) => ({
        connector: { name: "c" },
        key_in_connector: `${index}`,
        type,
      })),
    );
    const created = await this.#app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    const ids = created.map(({ id }) => id);
    await this.#app.json("POST", "/datapoint/activate/", { body: { ids } });
    for (let index = 0; index < ids.length; index += 2)
      this.#ids.push({ actuator: ids[index] ?? 0, sensor: ids[index + 1] ?? 0 });
    await this.#connected(true);
  }

  async take(one: Step): Promise<void> {
    // Each step has a time of its own, by which its message is known on the wire.
    this.#clock.now += 1;
    if (one.kind === "pass") this.#clock.now += one.seconds * 1000;
    else if (one.kind === "guard") await this.#guard(one.on, one.guard);
    else if (one.kind === "hear") await this.#hear(one);
    else if (one.kind === "orphan") await this.#orphan(one.on, one.value);
    else if (one.kind === "late") await this.#late(one.on, one.value);
    else if (one.kind === "write" || one.kind === "cut")
      await this.#write(one.on, one.value, one.kind === "cut" && this.#isUp);
    else if (one.kind === "away") await this.#setBroker(false);
    else if (one.kind === "back") await this.#setBroker(true);
    else await this.#restart();
    await this.#settle();
  }

  /** Everything must end. */
  async finish(): Promise<void> {
    await this.#setBroker(true);
    for (const index of this.#models.keys()) await this.#guard(index, undefined);
    this.#clock.now += 100_000;
    await this.#settle();
    const commands = await this.#commands();
    expect(commands.filter(({ final }) => !final)).toEqual([]);
    const { changes, database } = this.#app.server.kernel;
    for (const { id, state } of commands) {
      const rows = await changes.list(database.read, { resource: "command", object: String(id), limit: 20 });
      const states = rows.map(({ after }) => (after as { state: (typeof finalStates)[number] }).state);
      expect([id, states.filter(isFinal)]).toEqual([id, [state]]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app[Symbol.asyncDispose]();
    await this.#broker[Symbol.asyncDispose]();
  }

  #model(index: number): ModelActuator {
    const model = this.#models[index];
    if (!model) throw new Error("no such actuator");
    return model;
  }

  #id(index: number): { actuator: number; sensor: number } {
    return this.#ids[index] ?? { actuator: 0, sensor: 0 };
  }

  #post(index: number, content: number): Promise<Response> {
    const path = `/datapoint/${this.#id(index).actuator}/value/?values=native`;
    return this.#app.request("POST", path, { body: { value: content, timestamp: this.#clock.now } });
  }

  async #write(index: number, content: number, isCut: boolean): Promise<void> {
    if (isCut) this.#broker.mode = "cut";
    const expected = this.#model(index).write(
      content,
      this.#clock.now,
      isCut ? "cut" : this.#isUp ? "up" : "away",
    );
    const response = await this.#post(index, content);
    this.#broker.mode = "normal";
    const { state } = expected;
    const status = state === "refused" ? 409 : state === "failed" ? 503 : 201;
    expect([state, response.status]).toEqual([state, status]);
    expected.id = idOf(response);
    if (isCut) await this.#connected(true);
    if (status === 201) await this.#stored(index);
  }

  /** The broker takes its time, and the command has been given up when it answers. */
  async #late(index: number, content: number): Promise<void> {
    if (!this.#isUp) return;
    this.#broker.mode = "hold";
    const model = this.#model(index);
    const at = this.#clock.now;
    const expected = model.orphan(content, at);
    const posted = this.#post(index, content);
    if (expected.state === "refused") {
      const response = await posted;
      expect(response.status).toBe(409);
      expected.id = idOf(response);
    } else {
      await until("the message", () => this.#broker.published.some(({ payload }) => timeOf(payload) === at));
      model.wire.push(at);
      this.#clock.now += 16_000;
      await this.#settle({ at, index, expected });
      this.#broker.release();
      model.seen.set(at, content);
      const response = await posted;
      expect([response.status, idOf(response)]).toEqual([503, expected.id]);
      await this.#stored(index);
    }
    this.#broker.mode = "normal";
  }

  /** What a server that dies between acceptance and publication leaves behind. */
  async #orphan(index: number, content: number): Promise<void> {
    const { database, timeseries, changes } = this.#app.server.kernel;
    const now = this.#clock.now;
    const expected = this.#model(index).orphan(content, now);
    const { actuator } = this.#id(index);
    const [row] = await this.#app.json<{ id: number }[]>("GET", "/connector/");
    const stream = await timeseries.streams.find("datapoints", `${actuator}/value`);
    const order = {
      datapoint: { id: actuator, connectorId: row?.id ?? 0, connector: "c" },
      kind: "value",
      point: { time: now * 1000, value: content },
      payload: JSON.stringify({ value: content, timestamp: now }),
      actor: serverActor("a test"),
    } as const;
    const [seen] = stream ? await timeseries.latest([stream.id]) : [];
    expected.id = await database.write(async (tx) => {
      const accepted = await acceptAll(tx, [{ order, seen, isGuarded: true, isSafeValue: false }], now);
      const commands = accepted.map(({ command }) => command);
      await changes.record(tx, commands.map(firstStep));
      return commands[0]?.id ?? 0;
    });
  }

  async #hear({ on, own, value: content, ago }: Step & { kind: "hear" }): Promise<void> {
    if (!this.#isUp) return;
    const { actuator, sensor } = this.#id(on);
    const datapoint = own ? actuator : sensor;
    const time = this.#clock.now - ago;
    const all = this.#heardOf(datapoint);
    const model = this.#model(on);
    // The same time again would overwrite what is stored.
    if (all.some((seen) => seen.time === time) || (own && model.seen.has(time))) return;
    await this.#broker.deliver(`c/messages/${datapoint}/value`, { value: content, timestamp: time });
    all.push({ time, value: content });
    if (own) model.seen.set(time, content);
    for (const any of this.#models) any.hear(datapoint, { time, value: content }, this.#clock.now);
  }

  async #guard(index: number, choice: GuardChoice | undefined): Promise<void> {
    const { actuator, sensor } = this.#id(index);
    const path = `/datapoint/${actuator}/guard/`;
    const model = this.#model(index);
    if (!choice) {
      if (model.guard) await this.#app.json("DELETE", path, { status: 204 });
      model.put(undefined);
      return;
    }
    const { feedback, ...rest } = choice;
    const body: ModelGuard = feedback
      ? {
          ...rest,
          feedback: {
            datapoint: feedback.own ? actuator : sensor,
            tolerance: feedback.tolerance,
            deadline: feedback.deadline,
          },
        }
      : rest;
    await this.#app.json("PUT", path, { body, status: model.guard ? 200 : 201 });
    model.put(body);
  }

  async #setBroker(isUp: boolean): Promise<void> {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    if (isUp) await this.#broker.arise();
    else await this.#broker.goAway();
    await this.#connected(isUp);
  }

  async #restart(): Promise<void> {
    await this.#app.restart();
    await this.#connected(this.#isUp);
  }

  async #connected(state: boolean): Promise<void> {
    await until(`the link to be ${state}`, () => this.#app.server.kernel.mqtt.status.connected === state);
  }

  /** The echo of what went out is in the store. */
  async #stored(index: number): Promise<void> {
    const path = `/datapoint/${this.#id(index).actuator}/value/`;
    const times = this.#model(index).seen;
    await until("the echo", async () => (await this.#app.json<object[]>("GET", path)).length === times.size);
  }

  #heardOf(datapoint: number): { time: number; value: number }[] {
    const present = this.#heard.get(datapoint) ?? [];
    this.#heard.set(datapoint, present);
    return present;
  }

  #commands(): Promise<readonly CommandJson[]> {
    return this.#app.json("GET", "/commands/?limit=10000");
  }

  /** What the model says must come true, and nothing else may go out. */
  async #settle(late?: { at: number; index: number; expected: { id: number } }): Promise<void> {
    for (const model of this.#models) model.settle(this.#clock.now, this.#isUp, this.#heard);
    const expected = this.#models.flatMap((model, index) =>
      model.commands.map((command) => `${index} ${command.at} ${command.state}`),
    );
    const index = new Map(this.#ids.map(({ actuator }, at) => [actuator, at]));
    let actual: readonly string[] = [];
    try {
      await until(
        "the model's states",
        async () => {
          const commands = await this.#commands();
          const found = commands.find(({ message }) => message.timestamp === late?.at);
          if (late && found) late.expected.id = found.id;
          actual = commands.map(
            ({ datapoint, message, state }) => `${index.get(datapoint)} ${message.timestamp} ${state}`,
          );
          return same(actual, expected);
        },
        5_000,
      );
    } catch {
      expect(actual.toSorted()).toEqual(expected.toSorted());
    }
    const wire = this.#models.flatMap((model) => model.wire);
    const arrived = this.#broker.published.map(({ payload }) => timeOf(payload));
    expect(arrived.toSorted()).toEqual(wire.toSorted());
    for (const at of this.#models.keys()) if (!late && this.#isUp) await this.#stored(at);
  }
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted());

const timeOf = (payload: string | Buffer): number =>
  (JSON.parse(payload.toString()) as { timestamp: number }).timestamp;

const runs = Number(process.env["BUSBAR_PROOF_RUNS"] ?? 6);

describeEachEngine("the life of commands", (engine) => {
  test("is as the model says", { timeout: 0 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
        await using run = await Run.start(engine);
        for (const one of steps) await run.take(one);
        await run.finish();
      }),
      { numRuns: runs, endOnFailure: true },
    );
  });
});
