import { beforeEach, expect, test } from "vitest";
import { type Datapoint, describeDatapoints } from "../../../test/datapoints.ts";
import { LiveSocket, LiveStream } from "../../../test/live.ts";

const t0 = 1_700_000_000_000;

describeDatapoints("live push", {}, (fixture) => {
  let a: Datapoint;
  let b: Datapoint;
  beforeEach(async () => {
    const one = fixture.freshName();
    const other = fixture.freshName();
    [a, b] = (await fixture.create([fixture.item(one, "k"), fixture.item(other, "k")])) as [
      Datapoint,
      Datapoint,
    ];
  });
  const put = (id: number, value: unknown, at = t0) =>
    fixture.put(id, [{ value: JSON.stringify(value), timestamp: at }]);

  test("what comes in is sent to those who asked for its datapoint, and to no others", async () => {
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ datapoint: a.id });
    await put(b.id, 1);
    await put(a.id, 21.5);
    await put(a.id, "on", t0 + 1);
    const [first, second] = await socket.take(2);
    expect(first).toEqual({
      id: expect.any(String),
      kind: "value",
      datapoint: a.id,
      connector: a.connector.name,
      stream: expect.any(Number),
      value: "21.5",
      timestamp: t0,
    });
    expect(second).toMatchObject({ datapoint: a.id, value: '"on"', timestamp: t0 + 1 });
  });

  test("values come as they are when asked for native", async () => {
    await using socket = await LiveSocket.open(fixture.app, { query: "?values=native" });
    await socket.subscribe({ datapoint: [a.id, b.id] });
    const values = [21.5, "on", null, true, { a: [1] }, -0.25];
    for (const [index, value] of values.entries()) await put(a.id, value, t0 + index);
    expect((await socket.take(values.length)).map(({ value }) => value)).toEqual(values);
  });

  test("by connector, by stream, by kind, and by all of them", async () => {
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ id: "c", connector: [b.connector.name] });
    await put(a.id, 1);
    await put(b.id, 2);
    const [event] = await socket.take(1);
    expect(event).toMatchObject({ datapoint: b.id, value: "2" });
    await using byStream = await LiveSocket.open(fixture.app);
    await byStream.subscribe({ stream: event?.stream, kind: "value" });
    await using none = await LiveSocket.open(fixture.app);
    await none.subscribe({ datapoint: b.id, kind: ["setpoint"] });
    await using all = await LiveSocket.open(fixture.app);
    await all.subscribe();
    await put(a.id, 3, t0 + 1);
    await put(b.id, 4, t0 + 2);
    expect((await byStream.take(1))[0]).toMatchObject({ value: "4", stream: event?.stream });
    expect((await all.take(2)).map(({ value }) => value)).toEqual(["3", "4"]);
    expect(none.events).toEqual([]);
  });

  test("what fits several subscriptions comes once; what is unsubscribed comes no more", async () => {
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ id: "one", datapoint: a.id });
    await socket.subscribe({ id: "two", connector: a.connector.name });
    await put(a.id, 1);
    await socket.take(1);
    socket.send({ unsubscribe: "one" });
    socket.send({ unsubscribe: "two" });
    await socket.subscribe({ id: "three", datapoint: b.id });
    await put(a.id, 2, t0 + 1);
    await put(b.id, 3, t0 + 2);
    expect((await socket.take(2)).map(({ value }) => value)).toEqual(["1", "3"]);
    expect(await socket.problem({ unsubscribe: "one" })).toMatchObject({ type: "/problems/not-found" });
  });

  test("a datapoint that gets its first value after the subscription is heard", async () => {
    const id = await fixture.fresh();
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ datapoint: id });
    await put(id, 1);
    expect(await socket.take(1)).toMatchObject([{ datapoint: id }]);
  });

  test("server-sent events bring the same", async () => {
    await using stream = await LiveStream.open(fixture.app, {
      query: `?datapoint=${a.id},${b.id}&values=native`,
    });
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(stream.response.headers.get("cache-control")).toBe("no-store, no-transform");
    expect(stream.response.headers.get("x-accel-buffering")).toBe("no");
    await stream.named("subscribed");
    await put(a.id, 1.5);
    await put(b.id, [1], t0 + 1);
    const events = await stream.take(2);
    expect(events.map(({ value }) => value)).toEqual([1.5, [1]]);
    const ids = stream.received.filter(({ event, data }) => event === "" && data).map(({ id }) => id);
    expect(ids).toEqual(events.map(({ id }) => id));
  });

  test("of a bulk of history only the newest point is sent to who asked for that", async () => {
    await using socket = await LiveSocket.open(fixture.app, { query: "?newest=true" });
    await socket.subscribe({ datapoint: a.id });
    const messages = Array.from({ length: 1000 }, (_, i) => ({ value: String(i), timestamp: t0 + i }));
    await fixture.put(a.id, messages);
    await put(a.id, 5, t0 - 1);
    await put(a.id, 6, t0 + 5000);
    await socket.take(2);
    expect(socket.events.map(({ timestamp }) => timestamp)).toEqual([t0 + 999, t0 + 5000]);
  });

  test("a deleted datapoint is told of, and its stream with it", async () => {
    await put(a.id, 1);
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ datapoint: [a.id, b.id] });
    await fixture.app.json("DELETE", `/datapoint/${a.id}/`, { status: 204 });
    await put(b.id, 2);
    await socket.take(1);
    expect(socket.frames.flatMap(({ gone }) => gone ?? [])).toEqual([{ datapoint: a.id }]);
    expect(await socket.problem({ subscribe: { datapoint: a.id } })).toMatchObject({ status: 404 });
  });

  test("events carry the new name of a renamed connector", async () => {
    await using socket = await LiveSocket.open(fixture.app);
    await socket.subscribe({ datapoint: a.id });
    await put(a.id, 1);
    await socket.take(1);
    const list = await fixture.app.json<{ id: number; name: string }[]>("GET", "/connector/");
    const connector = list.find(({ name }) => name === a.connector.name);
    const name = fixture.freshName();
    await fixture.app.json("PATCH", `/connector/${connector?.id}/`, { body: { name } });
    await put(a.id, 2, t0 + 1);
    expect((await socket.take(2)).map((event) => event.connector)).toEqual([a.connector.name, name]);
  });
});
