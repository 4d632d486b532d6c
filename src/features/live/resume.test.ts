import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { LiveSocket, LiveStream } from "../../../test/live.ts";
import { createDatabase, dropDatabase } from "../../../test/services/postgres.ts";

const t0 = 1_700_000_000_000;

const makeDatapoints = async (app: TestApp, count: number): Promise<readonly number[]> => {
  const items = Array.from({ length: count }, (_, index) => ({
    connector: { name: "site" },
    key_in_connector: `k${index}`,
    type: "sensor",
  }));
  const made = await app.json<{ id: number }[]>("POST", "/datapoint/", { body: items, status: 201 });
  return made.map(({ id }) => id);
};

const put = (app: TestApp, id: number, ...values: readonly number[]) =>
  app.json("PUT", `/datapoint/${id}/value/`, {
    body: values.map((value) => ({ value: String(value), timestamp: t0 + value })),
  });

const valuesOf = (events: readonly { readonly value: unknown }[]) => events.map(({ value }) => Number(value));

describeEachEngine("coming back", (engine) => {
  let app: TestApp;
  let a = 0;
  let b = 0;
  beforeAll(async () => {
    app = await startTestApp({ engine });
    [a = 0, b = 0] = await makeDatapoints(app, 2);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("what was missed comes first, once each, in order, from the middle of a batch, too", async () => {
    await using first = await LiveSocket.open(app);
    await first.subscribe({ datapoint: a });
    await put(app, a, 1, 2, 3);
    const events = await first.take(3);
    await put(app, a, 4);
    await put(app, b, 5);
    await put(app, a, 6);
    for (const [index, event] of events.entries()) {
      await using again = await LiveSocket.open(app);
      await again.subscribe({ datapoint: a, last_event_id: event.id });
      expect(valuesOf(again.events)).toEqual([2, 3, 4, 6].slice(index));
      expect(again.frames.some(({ reset }) => reset)).toBe(false);
    }
    await using stream = await LiveStream.open(app, {
      query: `?datapoint=${a}`,
      headers: { "last-event-id": events[1]?.id ?? "" },
    });
    await stream.named("subscribed");
    expect(valuesOf(stream.events)).toEqual([3, 4, 6]);
    await using byQuery = await LiveStream.open(app, { query: `?last_event_id=${events[2]?.id}` });
    await byQuery.named("subscribed");
    expect(valuesOf(byQuery.events)).toEqual([4, 5, 6]);
  });

  test("what comes while a client comes back is neither lost nor doubled", async () => {
    await using watcher = await LiveSocket.open(app);
    const start = await watcher.subscribe({ datapoint: b });
    const writing = (async () => {
      for (let value = 1000; value < 1100; value++) await put(app, b, value);
    })();
    const wanted = Array.from({ length: 100 }, (_, index) => 1000 + index);
    const heard: number[] = [];
    let last = start;
    while (heard.length < wanted.length) {
      await using client = await LiveSocket.open(app);
      await client.subscribe({ datapoint: b, last_event_id: last });
      const events = await client.take(Math.min(7, wanted.length - heard.length));
      heard.push(...valuesOf(events));
      last = events.at(-1)?.id ?? last;
    }
    await writing;
    expect(heard).toEqual(wanted);
    expect(valuesOf(await watcher.take(100))).toEqual(wanted);
  });

  test("over a restart of the server", async () => {
    await using client = await LiveSocket.open(app);
    await client.subscribe({ datapoint: a });
    await put(app, a, 2000, 2001);
    const [event] = await client.take(1);
    const before = await client.subscribe({ id: "now", datapoint: a });
    await put(app, a, 2002);
    await app.restart();
    expect(await client.ended()).toEqual({
      code: 1001,
      reason: "The server is shutting down; connect again.",
    });
    await put(app, a, 2003);
    await using again = await LiveSocket.open(app);
    await again.subscribe({ datapoint: a, last_event_id: event?.id });
    expect(valuesOf(again.events)).toEqual([2001, 2002, 2003]);
    await using third = await LiveSocket.open(app);
    await third.subscribe({ datapoint: a, last_event_id: before });
    expect(valuesOf(third.events)).toEqual([2002, 2003]);
  });

  test("server-sent events say goodbye at a stop", async () => {
    await using stream = await LiveStream.open(app);
    await stream.named("subscribed");
    await app.restart();
    expect(JSON.parse((await stream.named("bye")).data ?? "")).toMatchObject({
      type: "/problems/shutting-down",
    });
  });

  test("who comes from nowhere is told to read again", async () => {
    for (const id of ["?", "1.2.3", "0-0", "zzzzzzzzzz", "zzzzzzzz-0-0", "1-5-0"]) {
      await using client = await LiveSocket.open(app);
      await client.subscribe({ datapoint: a, last_event_id: id });
      expect(client.frames.find(({ reset }) => reset)?.reset, id).toMatchObject({
        reason: "unknown-position",
        last_event_id: expect.any(String),
      });
    }
  });

  test("what is kept no more is told of, and the client goes on from there", async () => {
    await using first = await LiveSocket.open(app);
    const start = await first.subscribe({ datapoint: a });
    // More than the memory for those who come back, in one go.
    for (let part = 0; part < 10; part++)
      await put(app, b, ...Array.from({ length: 90_000 }, (_, index) => part * 90_000 + index));
    await using again = await LiveSocket.open(app);
    const position = await again.subscribe({ datapoint: a, last_event_id: start });
    expect(again.frames.find(({ reset }) => reset)?.reset).toMatchObject({
      reason: "too-old",
      last_event_id: position,
    });
    await put(app, a, 3000);
    expect(valuesOf(await again.take(1))).toEqual([3000]);
  });
});

const postgres = inject("postgres");

describe.skipIf(postgres === null)("two nodes on one database", () => {
  test("a client hears what either writes, and goes on at the other where it was", async () => {
    const url = await createDatabase(postgres ?? "");
    try {
      const env = { DATABASE_URL: url, DJANGO_SECRET_KEY: "the-same-on-all-nodes-0123456789" };
      await using one = await startTestApp({ env });
      await using two = await startTestApp({ env });
      const [a = 0] = await makeDatapoints(one, 1);
      await using first = await LiveSocket.open(one);
      await first.subscribe({ datapoint: a });
      await put(two, a, 1);
      await put(one, a, 2);
      await put(two, a, 3);
      const events = await first.take(3);
      expect(valuesOf(events)).toEqual([1, 2, 3]);
      await put(one, a, 4);
      await using second = await LiveSocket.open(two);
      await second.subscribe({ datapoint: a, last_event_id: events[0]?.id });
      expect(valuesOf(await second.take(3))).toEqual([2, 3, 4]);
      const { ticket } = await one.json<{ ticket: string }>("POST", "/live/ticket");
      await using byTicket = await LiveSocket.open(two, { as: null, query: `?ticket=${ticket}` });
      const position = await byTicket.subscribe({ datapoint: a });
      // The first node may not have seen yet what the second has: it waits for it.
      await put(two, a, 5);
      await using third = await LiveSocket.open(one);
      await third.subscribe({ datapoint: a, last_event_id: position });
      expect(valuesOf(await third.take(1))).toEqual([5]);
      expect(third.frames.some(({ reset }) => reset)).toBe(false);
    } finally {
      await dropDatabase(postgres ?? "", url);
    }
  });
});
