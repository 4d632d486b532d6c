import { afterAll, beforeAll, expect, test } from "vitest";
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

const start = now - 10 * hourMillis;

interface Row {
  readonly timestamp: number;
  readonly values: Readonly<Record<string, unknown>>;
}

describeEachEngine("values of several datapoints", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  let inactive = 0;
  const id = (index: number): number => made[index]?.datapoint ?? 0;
  const get = (query: string) => app.json<Row[]>("GET", `/datapoint/value/?${query}`);

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kW", ""]);
    const body = [{ connector: { name: "c" }, key_in_connector: "k" }];
    inactive = (await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 }))[0]?.id ?? 0;
    await append(app, made[0]?.id ?? 0, [
      [start, 1],
      [start + 1000, 2],
      [start + 2 * hourMillis, 3],
    ]);
    await append(app, made[1]?.id ?? 0, [
      [start + 1000, '"on"'],
      [start + 2000, "null"],
      [start + 5 * hourMillis, 7],
    ]);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("stand in one row for each time", async () => {
    expect(await get(`ids=${id(1)},${id(0)},${inactive}`)).toEqual([
      { timestamp: start, values: { [id(1)]: null, [id(0)]: "1", [inactive]: null } },
      { timestamp: start + 1000, values: { [id(1)]: '"on"', [id(0)]: "2", [inactive]: null } },
      { timestamp: start + 2000, values: { [id(1)]: "null", [id(0)]: null, [inactive]: null } },
      { timestamp: start + 2 * hourMillis, values: { [id(1)]: null, [id(0)]: "3", [inactive]: null } },
      { timestamp: start + 5 * hourMillis, values: { [id(1)]: "7", [id(0)]: null, [inactive]: null } },
    ]);
    expect(await get(`ids=${id(1)}&values=native&timestamp__lt=${start + 2000}`)).toEqual([
      { timestamp: start + 1000, values: { [id(1)]: "on" } },
    ]);
    expect(await get(`ids=${inactive}`)).toEqual([]);
  });

  test("have means in the buckets that hold a point of any", async () => {
    expect(await get(`ids=${id(0)},${id(1)}&interval=1h`)).toEqual([
      { timestamp: start, values: { [id(0)]: "1.5", [id(1)]: "null" } },
      { timestamp: start + 2 * hourMillis, values: { [id(0)]: "3", [id(1)]: null } },
      { timestamp: start + 5 * hourMillis, values: { [id(0)]: null, [id(1)]: "7" } },
    ]);
    expect(await get(`ids=${inactive}&interval=1h`)).toEqual([]);
  });

  test("come in pages, points and means", async () => {
    for (const query of [`ids=${id(0)},${id(1)}`, `ids=${id(0)},${id(1)}&interval=1h`]) {
      const rows: Row[] = [];
      let path: string | undefined = `/datapoint/value/?${query}&limit=2`;
      while (path !== undefined) {
        const response: Response = await app.request("GET", path);
        const page = (await response.json()) as Row[];
        expect(page.length).toBeLessThanOrEqual(2);
        rows.push(...page);
        path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      }
      expect(rows).toEqual(await get(query));
    }
  });

  test.each([
    ["", "ids"],
    ["ids=", "ids"],
    ["ids=a", "ids"],
    [`ids=${Array.from({ length: 101 }, (_, index) => index + 1).join()}`, "ids"],
    ["ids=1&timestamp__gte=x", "timestamp__gte"],
    ["ids=1&cursor=x", "cursor"],
    ["ids=1&values=hex", "values"],
  ])("%s is refused", async (query, field) => {
    expect(await fieldsOf(app, `/datapoint/value/?${query}`)).toEqual([field]);
  });

  test("a bad interval is refused under both names, an unknown datapoint is not found", async () => {
    expect(await fieldsOf(app, `/datapoint/value/?ids=${id(0)}&interval=x`)).toEqual([
      "frequency",
      "interval",
    ]);
    await app.json("GET", `/datapoint/value/?ids=${id(0)},999999`, { status: 404 });
    const as = await makeUser(app, ["view_datapoint"]);
    await app.json("GET", `/datapoint/value/?ids=${id(0)}`, { as, status: 403 });
  });
});
