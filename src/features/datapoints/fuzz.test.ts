import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { encodeCursor } from "../../kernel/http/paging.ts";

const now = Date.now();

/** Texts that have hurt somewhere: no Unicode, NUL, patterns of LIKE, SQL, numbers in disguise. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    "",
    "\u0000",
    "\ud800",
    "%",
    "_",
    "\\",
    "'; --",
    "NaN",
    "1e999",
    "-0",
    "null",
    "__proto__",
    "x".repeat(3000),
  ),
);
const anything = fc.oneof(
  { maxDepth: 2 },
  fc.jsonValue(),
  text,
  fc.double(),
  fc.maxSafeInteger(),
  fc.constant(null),
);
const often = <T>(likely: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: likely }, { weight: 1, arbitrary: anything });

const fields = {
  connector: often(fc.record({ name: often(fc.constantFrom("c", "d")) })),
  key_in_connector: often(fc.constantFrom("a", "b", "__proto__")),
  type: often(fc.constantFrom("sensor", "actuator")),
  data_format: often(fc.constantFrom("generic_numeric", "discrete_text", "bool")),
  short_name: often(text),
  description: often(text),
  unit: often(text),
  min_value: often(fc.double({ noNaN: true, noDefaultInfinity: true })),
  max_value: anything,
  allowed_values: anything,
  is_active: often(fc.boolean()),
};
const datapoint = fc.record(fields, { requiredKeys: [] });
const message = fc.record(
  { value: anything, timestamp: often(fc.integer({ min: now - 1e9, max: now })) },
  { requiredKeys: [] },
);
const list = <T>(item: fc.Arbitrary<T>) => often(fc.array(item, { maxLength: 4 }));

const filter = fc.constantFrom(
  "id__in",
  "connector__name",
  "connector__name__icontains",
  "key_in_connector__icontains",
  "short_name",
  "description__icontains",
  "type",
  "data_format",
  "data_format__icontains",
  "unit",
  "is_active",
  "detail",
  "limit",
  "cursor",
  "values",
  "interval",
  "timestamp__gte",
  "timestamp__lt",
  "datapoint__id__in",
  "level",
  "level__gte",
  "emitter",
  "msg__icontains",
  "name",
);
/** Half of them look like cursors. */
const cursorOf = (value: string) => (value.length % 2 === 0 ? value : encodeCursor([Number(value) || 1e300]));

const query = fc
  .array(
    fc.tuple(
      filter,
      fc.oneof(
        text,
        fc.constantFrom("1", "1,2", "true", "full", "native", "15 minutes", "1e15", "1e999", "-5"),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => pairs.map(([name, value]) => [name, name === "cursor" ? cursorOf(value) : value] as const))
  .map((pairs) =>
    pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&"),
  );

describeEachEngine("whatever is sent", (engine) => {
  let app: TestApp;
  let actuator = 0;
  beforeAll(async () => {
    app = await startTestApp({ engine });
    const body = [
      { connector: { name: "c" }, key_in_connector: "a", type: "actuator" },
      { connector: { name: "c" }, key_in_connector: "b", type: "sensor" },
    ];
    const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    actuator = created?.id ?? 0;
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  const writes: readonly [string, string, fc.Arbitrary<unknown>][] = [
    ["POST", "/datapoint/", list(datapoint)],
    ["PUT", "/datapoint/", list(datapoint)],
    ["PATCH", "/datapoint/{id}/", often(datapoint)],
    ["POST", "/datapoint/activate/", often(fc.record({ ids: list(often(fc.constantFrom(1, 2))) }))],
    ["POST", "/datapoint/{id}/value/", often(message)],
    ["PUT", "/datapoint/{id}/value/", list(message)],
    ["PUT", `/datapoint/{id}/value/${now}/`, often(message)],
    ["POST", "/connector/", often(fc.record({ name: text }))],
    ["PATCH", "/connector/1/", often(fc.record({ name: text }))],
  ];

  test.each(writes)("%s %s never fails on the server's side", async (method, path, bodies) => {
    await fc.assert(
      fc.asyncProperty(bodies, query, async (body, parameters) => {
        const url = `${path.replace("{id}", String(actuator))}?${parameters}`;
        const response = await app.request(method, url, { body: JSON.stringify(body) });
        const answer = await response.text();
        // Sending needs a broker, which this server has none of.
        if (response.status !== 503) expect(response.status, answer).toBeLessThan(500);
        if (response.status >= 400) expect(response.headers.get("content-type")).toContain("problem+json");
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    "/datapoint/",
    "/datapoint/last_value/",
    "/datapoint/{id}/",
    "/datapoint/{id}/value/",
    "/connector/",
    "/connector/1/logs/",
    "/connector/discovered/",
  ])("GET %s takes or refuses any query", async (path) => {
    await fc.assert(
      fc.asyncProperty(query, async (parameters) => {
        const response = await app.request("GET", `${path.replace("{id}", String(actuator))}?${parameters}`);
        const answer = await response.text();
        expect([200, 400], `${parameters}: ${answer}`).toContain(response.status);
      }),
      { numRuns: 60 },
    );
  });
});
