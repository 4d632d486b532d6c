import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import {
  append,
  fieldsOf,
  hourMillis,
  type MadeStream,
  makeStreams,
  makeUser,
  now,
  startApp,
} from "../../../test/streams.ts";
import type { LogStructuredStore } from "../../kernel/timeseries/log-structured-store.ts";

interface StreamView {
  readonly id: number;
  readonly key: string;
  readonly unit: string;
  readonly tags: readonly string[];
  readonly labels: object;
  readonly retention: string | null;
  readonly mode: string;
  readonly points?: number;
  readonly bytes?: number;
}

describeEachEngine("the catalogue of streams", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  const id = (index: number): number => made[index]?.id ?? 0;
  const list = (query: string) => app.json<StreamView[]>("GET", `/streams/${query}`);
  const ids = async (query: string) => (await list(query)).map((stream) => stream.id);
  const patch = (index: number, body: unknown, status = 200) =>
    app.json<StreamView>("PATCH", `/streams/${id(index)}/`, { body, status });

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kW", "°C", "kW", ""]);
    await append(app, id(0), [
      [now - hourMillis, 1],
      [now - 1, 2.5],
    ]);
    await append(app, id(1), [[now - hourMillis, '"on"']]);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("shows what each is, with its newest value", async () => {
    const [first, second] = await list(`?ids=${id(0)},${id(1)}`);
    expect(first).toEqual({
      id: id(0),
      owner: "datapoints",
      key: `${made[0]?.datapoint}/value`,
      mode: "history",
      unit: "kW",
      labels: {},
      tags: [],
      retention: null,
      last: { time: "2024-01-10T11:59:59.999Z", timestamp: now - 1, value: 2.5 },
    });
    expect(second).toMatchObject({ last: { value: "on" } });
    expect(await list(`?ids=${id(3)}`)).toMatchObject([{ last: null }]);
  });

  test("is filtered by owner, unit, part of the key, ids, labels and tags", async () => {
    await patch(0, { labels: { floor: "2", room: "a" }, tags: ["roof", "pv"] });
    await patch(1, { labels: { floor: "2" }, tags: ["roof"] });
    expect(await ids("?unit=kW")).toEqual([id(0), id(2)]);
    expect(await ids("?unit=MW")).toEqual([]);
    expect(await ids("?owner=datapoints")).toHaveLength(4);
    expect(await ids("?owner=series")).toEqual([]);
    expect(await ids(`?search=${made[1]?.datapoint}/VAL`)).toEqual([id(1)]);
    expect(await ids("?search=%25")).toEqual([]);
    expect(await ids("?label.floor=2")).toEqual([id(0), id(1)]);
    expect(await ids("?label.floor=2&label.room=a")).toEqual([id(0)]);
    expect(await ids("?label.floor=2&label.floor=3")).toEqual([]);
    expect(await ids("?tag=roof")).toEqual([id(0), id(1)]);
    expect(await ids("?tag=roof&tag=pv")).toEqual([id(0)]);
    expect(await ids(`?ids=${id(2)},999999,${id(0)}`)).toEqual([id(0), id(2)]);
  });

  test("comes in pages", async () => {
    const response = await app.request("GET", "/streams/?limit=3");
    expect(((await response.json()) as StreamView[]).map((stream) => stream.id)).toEqual([
      id(0),
      id(1),
      id(2),
    ]);
    const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1] ?? "";
    const rest = await app.request("GET", next);
    expect(((await rest.json()) as StreamView[]).map((stream) => stream.id)).toEqual([id(3)]);
    expect(rest.headers.get("link")).toBeNull();
  });

  test("with detail=full tells how many points and bytes there are", async () => {
    const [first, , , empty] = await list("?detail=full");
    expect(first).toMatchObject({ points: 2, bytes: expect.any(Number) });
    expect(empty).toMatchObject({ points: 0, bytes: 0 });
    const { timeseries } = app.server.kernel;
    await (timeseries as LogStructuredStore).compact();
    const full = await app.json<StreamView>("GET", `/streams/${id(0)}/?detail=full`);
    expect(full.points).toBe(2);
    expect(full.bytes).toBeGreaterThan(20);
    expect(full.bytes).toBeLessThan(1000);
  });

  test("one that is not there is not found", async () => {
    for (const unknown of ["999999", "0", "abc", "999999999999999"])
      await app.json("GET", `/streams/${unknown}/`, { status: 404 });
    await app.json("PATCH", "/streams/999999/", { body: {}, status: 404 });
  });

  describe("a change", () => {
    test("is shown, recorded with who and why, and leaves the rest", async () => {
      const changed = await patch(2, {
        labels: { meter: "7" },
        tags: ["a"],
        retention: "90 days",
        mode: "last",
        reason: "tidy",
      });
      const expected = { labels: { meter: "7" }, tags: ["a"], retention: "P90D", mode: "last", unit: "kW" };
      expect(changed).toMatchObject(expected);
      expect(await app.json("GET", `/streams/${id(2)}/`)).toMatchObject(expected);
      const [change] = await app.json<object[]>("GET", `/changes/?resource=stream&object=${id(2)}`);
      expect(change).toMatchObject({
        action: "update",
        actor: { name: "admin" },
        reason: "tidy",
        before: { retention: null, mode: "history", tags: [] },
        after: expected,
      });
      expect(await patch(2, { retention: null })).toMatchObject({ retention: null, tags: ["a"] });
    });

    test("that changes nothing is not recorded", async () => {
      await patch(3, {});
      await patch(3, { unit: "" });
      expect(await app.json("GET", `/changes/?resource=stream&object=${id(3)}`)).toEqual([]);
    });

    test.each([
      ["36 hours", "PT129600S"],
      ["2 weeks", "P14D"],
      ["1 month", "P31D"],
      ["P1Y", "P366D"],
      ["14 months", "P428D"],
    ])("retention %s is %s", async (text, shown) => {
      expect(await patch(3, { retention: text })).toMatchObject({ retention: shown });
    });

    test("needs the object as it was, where the caller says so", async () => {
      const response = await app.request("GET", `/streams/${id(1)}/`);
      const etag = response.headers.get("etag") ?? "";
      const change = (tag: string, match: string) =>
        app.request("PATCH", `/streams/${id(1)}/`, {
          body: { tags: [tag] },
          headers: { "if-match": match },
        });
      const first = await change("one", etag);
      expect(first.status).toBe(200);
      expect((await change("two", etag)).status).toBe(412);
      expect((await change("three", first.headers.get("etag") ?? "")).status).toBe(200);
    });

    test("of the unit is the datapoint's, both ways", async () => {
      const datapoint = `/datapoint/${made[3]?.datapoint}/`;
      await patch(3, { unit: "m3" });
      expect(await app.json("GET", datapoint)).toMatchObject({ unit: "m3" });
      await app.json("PATCH", datapoint, { body: { unit: "L" } });
      expect(await app.json("GET", `/streams/${id(3)}/`)).toMatchObject({ unit: "L" });
      const changes = await app.json<object[]>(
        "GET",
        `/changes/?resource=datapoint&object=${made[3]?.datapoint}`,
      );
      expect(changes[1]).toMatchObject({ before: { unit: "" }, after: { unit: "m3" } });
      await patch(3, { unit: "" });
    });

    test.each([
      [{ unit: 5 }, "unit"],
      [{ unit: "a\u0000" }, "unit"],
      [{ labels: { a: 1 } }, "labels"],
      [{ labels: { "": "x" } }, "labels"],
      [{ labels: { a: "\n" } }, "labels"],
      [{ tags: ["a", "a"] }, "tags"],
      [{ tags: "a" }, "tags"],
      [{ tags: [""] }, "tags"],
      [{ mode: "all" }, "mode"],
      [{ retention: "soon" }, "retention"],
      [{ retention: "-1 day" }, "retention"],
      [{ retention: 5 }, "retention"],
      [{ owner: "me" }, "owner"],
    ])("%j is refused by its field", async (body, field) => {
      expect(await fieldsOf(app, `/streams/${id(1)}/`, { method: "PATCH", body })).toEqual([field]);
    });
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=x", "limit"],
    ["cursor=nothing", "cursor"],
    ["ids=1,a", "ids"],
    ["ids=", "ids"],
    ["detail=all", "detail"],
    ["search=%00", "search"],
    ["label.=1", "label."],
    ["label.a=%00", "label.a"],
  ])("%s is refused by its field", async (query, field) => {
    expect(await fieldsOf(app, `/streams/?${query}`)).toEqual([field]);
  });

  describe("who may", () => {
    const status = async (method: string, path: string, as: Parameters<typeof app.request>[2]) =>
      (await app.request(method, path, as)).status;

    test("nobody without credentials, nor without the right on streams", async () => {
      const other = await makeUser(app, ["view_datapointvalue", "change_datapoint"]);
      for (const [method, path] of [
        ["GET", "/streams/"],
        ["GET", `/streams/${id(0)}/`],
        ["PATCH", `/streams/${id(0)}/`],
        ["GET", `/streams/query?ids=${id(0)}`],
      ] as const) {
        const body = method === "PATCH" ? { body: {} } : {};
        expect([path, await status(method, path, { as: null, ...body })]).toEqual([path, 401]);
        expect([path, await status(method, path, { as: other, ...body })]).toEqual([path, 403]);
      }
    });

    test("what the owner does not show is not there", async () => {
      const as = await makeUser(app, ["view_stream", `view_datapointvalue:${made[1]?.datapoint}`]);
      const seen = await app.json<StreamView[]>("GET", "/streams/", { as });
      expect(seen.map((stream) => stream.id)).toEqual([id(1)]);
      await app.json("GET", `/streams/${id(1)}/`, { as });
      await app.json("GET", `/streams/${id(0)}/`, { as, status: 404 });
      await app.json("GET", `/streams/query?ids=${id(1)}`, { as });
      await app.json("GET", `/streams/query?ids=${id(1)},${id(0)}`, { as, status: 404 });
      await app.json("PATCH", `/streams/${id(1)}/`, { as, body: {}, status: 403 });
    });

    test("changing needs the owner's right as well", async () => {
      const rights = ["view_stream", "change_stream", "view_datapointvalue"];
      const reader = await makeUser(app, rights);
      await app.json("PATCH", `/streams/${id(1)}/`, { as: reader, body: { tags: [] }, status: 403 });
      const writer = await makeUser(app, [...rights, "change_datapoint"]);
      await app.json("PATCH", `/streams/${id(1)}/`, { as: writer, body: { tags: [] } });
    });

    test("streams whose feature is not there are for superusers", async () => {
      const { database, timeseries } = app.server.kernel;
      const [orphan] = await database.write((tx) =>
        timeseries.streams.ensure(tx, [{ owner: "gone", key: "x", mode: "history", unit: "", labels: {} }]),
      );
      const as = await makeUser(app, ["view_stream", "view_datapointvalue"]);
      await app.json("GET", `/streams/${orphan?.id}/`);
      await app.json("GET", `/streams/${orphan?.id}/`, { as, status: 404 });
      expect(await app.json("GET", "/streams/?owner=gone", { as })).toEqual([]);
    });

    test("pages are full although some are hidden", async () => {
      const as = await makeUser(app, ["view_stream", `view_datapointvalue:${made[3]?.datapoint}`]);
      const response = await app.request("GET", "/streams/?limit=1", { as });
      expect(((await response.json()) as StreamView[]).map((stream) => stream.id)).toEqual([id(3)]);
      expect(response.headers.get("link")).toBeNull();
    });
  });
});
