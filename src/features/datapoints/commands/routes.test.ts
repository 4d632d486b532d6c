import { afterAll, beforeAll, expect, test } from "vitest";
import { type Credentials, startTestApp, type TestApp } from "../../../../test/app.ts";
import { TestClock } from "../../../../test/clock.ts";
import { type CommandJson, commandOf, fresh, idOf, write } from "../../../../test/commands.ts";
import { TestConnector } from "../../../../test/connector.ts";
import { describeEachEngine } from "../../../../test/engines.ts";
import { until } from "../../../../test/until.ts";

describeEachEngine("reading commands", (engine) => {
  let app: TestApp;
  let c: TestConnector;
  let d: TestConnector;
  const clock = new TestClock();
  const sent: number[] = [];
  let first = 0;
  let second = 0;

  beforeAll(async () => {
    app = await startTestApp({ engine, broker: "embedded", clock });
    c = await TestConnector.connect(app, "c");
    d = await TestConnector.connect(app, "d");
    first = await fresh(app, c, "actuator");
    second = await fresh(app, d, "actuator");
    await app.json("PUT", `/datapoint/${second}/guard/`, { body: { max: 5 }, status: 201 });
    for (let value = 0; value < 5; value += 1) {
      clock.pass(10);
      sent.push(await write(app, first, value));
      sent.push(await write(app, second, value));
    }
    const body = { value: "6", timestamp: clock.now() };
    sent.push(idOf(await app.request("POST", `/datapoint/${second}/value/`, { body })));
  });
  afterAll(async () => {
    await c?.[Symbol.asyncDispose]();
    await d?.[Symbol.asyncDispose]();
    await app?.[Symbol.asyncDispose]();
  });

  const ids = async (query: string, as?: Credentials): Promise<readonly number[]> =>
    (await app.json<CommandJson[]>("GET", `/commands/${query}`, as ? { as } : {})).map(({ id }) => id);
  const newestFirst = (keep: (index: number) => boolean = () => true) =>
    sent.filter((_, index) => keep(index)).toReversed();

  test("all of them, newest first, in pages", async () => {
    expect(await ids("")).toEqual(newestFirst());
    const seen: number[] = [];
    let next: string | undefined = "/commands/?limit=4";
    while (next !== undefined) {
      const response = await app.request("GET", next);
      const page = (await response.json()) as CommandJson[];
      expect(page.length).toBeLessThanOrEqual(4);
      seen.push(...page.map(({ id }) => id));
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(newestFirst());
  });

  test("those that were asked for", async () => {
    const isFirst = (index: number) => index % 2 === 0 && index < 10;
    expect(await ids(`?datapoint=${first}`)).toEqual(newestFirst(isFirst));
    expect(await ids("?connector=c")).toEqual(newestFirst(isFirst));
    expect(await ids("?state=refused")).toEqual(newestFirst((index) => index === 10));
    expect(await ids("?state=refused,delivered")).toEqual(newestFirst());
    expect(await ids("?state=open")).toEqual([]);
    expect(await ids("?kind=value&actor=admin")).toEqual(newestFirst());
    expect(await ids("?actor=nobody")).toEqual([]);
    expect(await ids("?connector=x&datapoint=9999")).toEqual([]);
    const [, , third] = sent;
    const at = (await commandOf(app, third ?? 0)).accepted_at;
    expect(await ids(`?from=${at}`)).toEqual(newestFirst((index) => index >= 2));
    expect(await ids(`?to=${at}`)).toEqual(newestFirst((index) => index < 2));
  });

  test.each(["?state=gone", "?datapoint=x", "?from=now", "?limit=0", "?cursor=x", "?actor=%00"])(
    "%s is not understood",
    async (query) => {
      expect(await app.json("GET", `/commands/${query}`, { status: 400 })).toMatchObject({
        type: "/problems/invalid-request",
      });
    },
  );

  test("unknown ones are not found", async () => {
    for (const id of ["999999", "999999999999999"])
      await app.json("GET", `/commands/${id}/`, { status: 404 });
    await app.json("GET", "/commands/x/", { status: 404 });
    await app.json("DELETE", `/commands/${sent[0]}/`, { status: 405 });
  });

  test("who may see some datapoints sees their commands only", async () => {
    const password = "Different-horse-7";
    const user = async (name: string, permissions: readonly string[]): Promise<Credentials> => {
      await app.json("POST", "/users/", { body: { name, password, permissions }, status: 201 });
      return { name, password };
    };
    const nobody = await user("nobody", ["view_datapoint"]);
    await app.json("GET", "/commands/", { as: null, status: 401 });
    await app.json("GET", "/commands/", { as: nobody, status: 403 });
    await app.json("GET", `/commands/${sent[0]}/`, { as: nobody, status: 403 });
    const all = await user("all", ["view_command"]);
    expect(await ids("", all)).toEqual(newestFirst());
    const some = await user("some", [`view_command:${first}`]);
    expect(await ids("", some)).toEqual(newestFirst((index) => index % 2 === 0 && index < 10));
    expect(await ids(`?datapoint=${second}`, some)).toEqual([]);
    await app.json("GET", `/commands/${sent[0]}/`, { as: some });
    await app.json("GET", `/commands/${sent[1]}/`, { as: some, status: 404 });
  });

  test("a repeated request with a key leads to the same command", async () => {
    const headers = { "idempotency-key": "once" };
    const body = { value: "1", timestamp: clock.now() };
    const answers = [];
    for (let time = 0; time < 2; time += 1)
      answers.push(await app.request("POST", `/datapoint/${first}/value/`, { body, headers }));
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(new Set(answers.map(idOf)).size).toBe(1);
    sent.push(...new Set(answers.map(idOf)));
  });

  test("old ones are forgotten, open ones never", async () => {
    const sensor = await fresh(app, c, "sensor");
    const guard = { feedback: { datapoint: sensor, deadline: 86_400 } };
    await app.json("PUT", `/datapoint/${first}/guard/`, { body: guard, status: 201 });
    const open = await write(app, first, 9);
    clock.pass(86_000);
    const { keepMillis } = app.server.kernel.config.commands;
    expect(keepMillis).toBe(90 * 86_400_000);
    await app.restart();
    expect(await ids("")).toEqual([open, ...newestFirst()]);
    clock.pass(keepMillis / 1000);
    await app.restart();
    await until("the rest to be forgotten", async () => (await ids("")).length === 1);
    expect(await commandOf(app, open)).toMatchObject({ state: "expired" });
  });
});

test("below a root path", async () => {
  await using app = await startTestApp({ broker: "embedded", env: { ROOT_PATH: "site/" } });
  const body = [{ connector: { name: "c" }, key_in_connector: "a", type: "actuator" }];
  const [created] = await app.json<{ id: number }[]>("POST", "/site/datapoint/", { body, status: 201 });
  const message = { value: "1", timestamp: Date.now() };
  const response = await app.request("POST", `/site/datapoint/${created?.id}/value/`, { body: message });
  expect(response.headers.get("busbar-command")).toMatch(/^\/site\/commands\/\d+\/$/);
  await app.json("GET", response.headers.get("busbar-command") ?? "");
  expect(await app.json("GET", "/site/commands/")).toHaveLength(1);
});
