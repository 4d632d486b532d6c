import { afterAll, beforeAll, expect, test } from "vitest";
import { type Credentials, startTestApp, type TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { LiveSocket, LiveStream } from "../../../test/live.ts";

const t0 = 1_700_000_000_000;
const password = "Different-horse-7";
const allowed = "https://page.example";

describeEachEngine("who may listen", (engine) => {
  let app: TestApp;
  let count = 0;
  let a = 0;
  let b = 0;
  beforeAll(async () => {
    app = await startTestApp({ engine, env: { BUSBAR_CORS_ORIGINS: allowed } });
    const items = ["a", "b"].map((key) => ({
      connector: { name: "site" },
      key_in_connector: key,
      type: "sensor",
    }));
    const made = await app.json<{ id: number }[]>("POST", "/datapoint/", { body: items, status: 201 });
    [a = 0, b = 0] = made.map(({ id }) => id);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  const put = (id: number, value: number) =>
    app.json("PUT", `/datapoint/${id}/value/`, {
      body: [{ value: String(value), timestamp: t0 + value }],
    });
  const user = async (permissions: readonly string[]) => {
    const name = `user-${++count}`;
    const { id } = await app.json<{ id: number }>("POST", "/users/", {
      body: { name, password, permissions },
      status: 201,
    });
    return { name, password, id };
  };
  const token = async (as: Credentials, body: object = {}): Promise<{ id: number; token: string }> =>
    app.json("POST", "/tokens/", { as, body, status: 201 });

  test("nobody without credentials, and no wrong ones", async () => {
    for (const as of [null, { token: "bb_wrong" }, { name: "admin", password: "wrong" }]) {
      expect(await LiveSocket.refused(app, { as })).toMatchObject({ status: 401 });
      expect((await app.request("GET", "/stream/", { as })).status).toBe(401);
    }
    expect((await app.request("POST", "/live/ticket", { as: null })).status).toBe(401);
    const { body } = await LiveSocket.refused(app, { as: null });
    expect(JSON.parse(body)).toMatchObject({ type: "/problems/unauthenticated", status: 401 });
  });

  test("a host name that is not ours is refused like everywhere", async () => {
    expect(await LiveSocket.refused(app, { headers: { host: "evil.example" } })).toMatchObject({
      status: 400,
    });
  });

  test("who may see no values may subscribe to none", async () => {
    const as = await user(["view_connector"]);
    await using socket = await LiveSocket.open(app, { as });
    const forbidden = { type: "/problems/forbidden", status: 403 };
    expect(await socket.problem({ subscribe: {} })).toMatchObject(forbidden);
    expect(await socket.problem({ subscribe: { connector: "site" } })).toMatchObject(forbidden);
    expect(await socket.problem({ subscribe: { datapoint: a } })).toMatchObject({ status: 404 });
    expect(await socket.problem({ subscribe: { stream: 1 } })).toMatchObject(forbidden);
    expect((await app.request("GET", "/stream/", { as })).status).toBe(403);
    expect((await app.request("GET", `/stream/?datapoint=${a}`, { as })).status).toBe(404);
  });

  test("who may see one datapoint hears that one only", async () => {
    const as = await user([`view_datapointvalue:${a}`, "view_stream"]);
    await using socket = await LiveSocket.open(app, { as });
    await socket.subscribe({ connector: "site" });
    await put(b, 1);
    await put(a, 2);
    await put(b, 3);
    await put(a, 4);
    expect((await socket.take(2)).map(({ datapoint }) => datapoint)).toEqual([a, a]);
    expect(await socket.problem({ subscribe: { datapoint: [a, b] } })).toMatchObject({
      status: 404,
      detail: `There is no datapoint ${b}.`,
    });
    const streams = await app.json<{ id: number; key: string }[]>("GET", "/streams/");
    const foreign = streams.find(({ key }) => key === `${b}/value`)?.id;
    expect(await socket.problem({ subscribe: { stream: foreign } })).toMatchObject({ status: 404 });
  });

  test("a right that is taken away ends the events at once, and one that is given brings them", async () => {
    const as = await user([`view_datapointvalue:${a}`]);
    await using socket = await LiveSocket.open(app, { as });
    await using other = await LiveSocket.open(app);
    await socket.subscribe({ connector: "site" });
    await other.subscribe({ connector: "site" });
    await put(a, 10);
    await socket.take(1);
    await app.json("PATCH", `/users/${as.id}/`, { body: { permissions: [`view_datapointvalue:${b}`] } });
    // It takes effect within a moment: values until then may have come.
    let value = 11;
    for (; !socket.events.some(({ datapoint }) => datapoint === b); value++) {
      await put(b, value);
      await put(a, 100 + value);
      await other.take(1 + 2 * (value - 10));
    }
    const seen = socket.events.length;
    await put(a, 300);
    await put(b, value);
    const next = (await socket.take(seen + 1)).at(-1);
    expect(next).toMatchObject({ datapoint: b });
    expect(socket.closed).toBeUndefined();
  });

  test("a revoked token, a changed password and a deleted account end their connections", async () => {
    const as = await user(["view_datapointvalue"]);
    const { id, token: text } = await token(as);
    await using byToken = await LiveSocket.open(app, { as: { token: text } });
    await using stream = await LiveStream.open(app, { as: { token: text } });
    await using byPassword = await LiveSocket.open(app, { as });
    await app.json("DELETE", `/tokens/${id}/`, { status: 204 });
    expect(await byToken.ended()).toEqual({ code: 1008, reason: "The credentials do not count any more." });
    expect(byToken.frames.at(-1)?.problem).toMatchObject({ type: "/problems/unauthenticated" });
    expect(JSON.parse((await stream.named("dropped")).data ?? "")).toMatchObject({ status: 401 });
    expect(byPassword.closed).toBeUndefined();
    await app.json("DELETE", `/users/${as.id}/`, { status: 204 });
    expect(await byPassword.ended()).toMatchObject({ code: 1008 });
  });

  test("a token with scopes hears what they allow", async () => {
    const as = await user(["view_datapointvalue"]);
    const { token: text } = await token(as, { scopes: [`view_datapointvalue:${b}`] });
    await using socket = await LiveSocket.open(app, { as: { token: text } });
    await socket.subscribe();
    await put(a, 20);
    await put(b, 21);
    expect(await socket.take(1)).toMatchObject([{ datapoint: b }]);
  });

  test("pages of another origin are refused, unless the operator has named it", async () => {
    const host = new URL(app.url).host;
    for (const origin of ["https://evil.example", `https://${host}`, "null"])
      expect(await LiveSocket.refused(app, { headers: { origin } })).toMatchObject({ status: 403 });
    for (const origin of [`http://${host}`, allowed]) {
      await using socket = await LiveSocket.open(app, { headers: { origin } });
      await socket.subscribe();
    }
  });

  test("a session's cookie opens it from the server's own pages only, and ends it with the session", async () => {
    const as = await user(["view_datapointvalue"]);
    const login = await app.request("POST", "/session/", { body: { username: as.name, password }, as: null });
    const cookie = (login.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    const { csrf_token: csrf } = (await login.json()) as { csrf_token: string };
    const evil = { cookie, origin: "https://evil.example" };
    expect(await LiveSocket.refused(app, { as: null, headers: evil })).toMatchObject({ status: 403 });
    const headers = { cookie, origin: app.url };
    await using socket = await LiveSocket.open(app, { as: null, headers });
    await socket.subscribe({ datapoint: a });
    await app.json("DELETE", "/session/", {
      as: null,
      headers: { cookie, "x-csrftoken": csrf },
      status: 204,
    });
    expect(await socket.ended()).toMatchObject({ code: 1008 });
  });

  test("a ticket opens one connection, from any page, with the rights of who asked for it", async () => {
    const as = await user([`view_datapointvalue:${a}`]);
    const ask = () => app.json<{ ticket: string; expires_in: number }>("POST", "/live/ticket", { as });
    const { ticket, expires_in } = await ask();
    expect(expires_in).toBe(30);
    const query = `?ticket=${ticket}`;
    const headers = { origin: "https://evil.example" };
    await using socket = await LiveSocket.open(app, { as: null, query, headers });
    await socket.subscribe({ connector: "site" });
    await put(b, 30);
    await put(a, 31);
    expect(await socket.take(1)).toMatchObject([{ datapoint: a }]);
    const used = await LiveSocket.refused(app, { as: null, query });
    expect(used.status).toBe(401);
    expect(used.body).toContain("unknown, used, or too old");
    const { ticket: second } = await ask();
    await using stream = await LiveStream.open(app, { as: null, query: `?ticket=${second}&datapoint=${a}` });
    await stream.named("subscribed");
    await app.json("PATCH", `/users/${as.id}/`, { body: { is_active: false } });
    expect(await socket.ended()).toMatchObject({ code: 1008 });
    await stream.named("dropped");
    for (const wrong of ["?ticket=", "?ticket=x", `?ticket=${"A".repeat(43)}`])
      expect(await LiveSocket.refused(app, { as: null, query: wrong })).toMatchObject({ status: 401 });
  });
});

describeEachEngine("tickets", (engine) => {
  test("a ticket is too old after half a minute", async () => {
    const time = { now: Date.now() };
    await using app = await startTestApp({ engine, clock: { now: () => time.now } });
    const { ticket } = await app.json<{ ticket: string }>("POST", "/live/ticket");
    time.now += 30_001;
    expect(await LiveSocket.refused(app, { as: null, query: `?ticket=${ticket}` })).toMatchObject({
      status: 401,
    });
  });

  test("of two who bring the same ticket one is let in", async () => {
    await using app = await startTestApp({ engine });
    const { ticket } = await app.json<{ ticket: string }>("POST", "/live/ticket");
    const query = `?ticket=${ticket}`;
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () => LiveStream.open(app, { as: null, query })),
    );
    const opened = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(opened).toHaveLength(1);
    for (const stream of opened) await stream[Symbol.asyncDispose]();
  });
});
