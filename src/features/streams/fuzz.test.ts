import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { append, makeStreams, now, startApp } from "../../../test/streams.ts";

const near = {
  ids: ["1", "1,2", "2,1,3", "4"],
  from: ["2024-01-09", `${now - 3_600_000}`, "2024-01-10T11:00:00+01:00", "-1", "1e3"],
  to: ["2024-01-11", `${now}`, "2300-01-01", "0"],
  interval: ["1h", "P1D", "1 month", "1us", "100 years", "15m", "0"],
  offset: ["1h", "-30m", "0", "1 day", "1 month"],
  zone: ["Europe/Berlin", "UTC", "+01:00", "Mars"],
  agg: ["avg", "count,twa", "integral,increase", "duration(>1)", "duration", "sum,min,max,first,last"],
  condition: [">1", "!=0", "<=-1e308", "x"],
  fill: ["null", "previous", "linear", ""],
  unit: ["kW", "K", "kWh", "%", "x", ""],
  format: ["json", "csv", "ndjson", "parquet", "xml"],
  delimiter: ["comma", "tab", ";", ""],
  decimal: ["comma", "point", ""],
  bom: ["true", "false", "1"],
  limit: ["1", "3", "10000", "1e999", "-1"],
  cursor: ["WzFd", "WzEsMF0", "x"],
} as const;

const parameter = (choices: readonly string[]) =>
  fc.option(
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...choices) }, { weight: 1, arbitrary: fc.string() }),
    {
      nil: undefined,
      freq: 2,
    },
  );

const query = fc.record(
  Object.fromEntries(Object.entries(near).map(([name, choices]) => [name, parameter(choices)])),
);

describeEachEngine("whatever is asked", (engine) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ engine });
    const made = await makeStreams(app, ["kW", "°C", ""]);
    for (const { id } of made)
      await append(app, id, [
        [now - 7_200_000, 1],
        [now - 3_600_000, '"on"'],
        [now - 1, -2.5],
      ]);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  const allowed = async (path: string) => {
    const response = await app.request("GET", path);
    const body = await response.text();
    expect([200, 400, 404], `${path}: ${body.slice(0, 300)}`).toContain(response.status);
  };

  test("a query is answered or refused", async () => {
    const property = fc.asyncProperty(query, (fields) => {
      const given = Object.entries(fields).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      return allowed(`/streams/query?${new URLSearchParams(given)}`);
    });
    await fc.assert(property, { numRuns: 400 });
  });

  test("a search is answered or refused", async () => {
    const names = ["owner", "unit", "tag", "search", "ids", "label.a", "label.", "limit", "cursor", "detail"];
    const pairs = fc.array(fc.tuple(fc.constantFrom(...names), fc.string({ unit: "binary" })), {
      maxLength: 4,
    });
    const property = fc.asyncProperty(pairs, (given) =>
      allowed(`/streams/?${new URLSearchParams(given.map(([name, value]) => [name, value]))}`),
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test("a change is made or refused", async () => {
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.jsonValue(),
      fc.constantFrom("1 day", null, "last"),
    );
    const body = fc.dictionary(
      fc.constantFrom("unit", "labels", "tags", "mode", "retention", "reason", "x"),
      value,
    );
    const property = fc.asyncProperty(body, async (fields) => {
      const response = await app.request("PATCH", "/streams/3/", { body: fields });
      const text = await response.text();
      expect([200, 400], `${JSON.stringify(fields)}: ${text.slice(0, 300)}`).toContain(response.status);
    });
    await fc.assert(property, { numRuns: 200 });
  });
});
