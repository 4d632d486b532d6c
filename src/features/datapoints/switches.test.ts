import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/app.ts";

interface Row {
  readonly path: string;
  /** What answers when everything is on. */
  readonly methods: readonly string[];
  /** Those that need the history extension, and whether the path needs the control extension. */
  readonly history: readonly string[];
  readonly control?: true;
}

const messages = (kind: string, control?: true): readonly Row[] => {
  const more = control ? { control } : {};
  const list = `/datapoint/{d}/${kind}/`;
  const single = `${list}1700000000000/`;
  return [
    { path: `/datapoint/last_${kind}/`, methods: ["GET"], history: [], ...more },
    { path: list, methods: ["GET", "POST", "PUT"], history: ["GET", "PUT"], ...more },
    { path: single, methods: ["GET", "PUT", "DELETE"], history: ["GET", "PUT", "DELETE"], ...more },
  ];
};

/** The documented table of routes, and the routes beyond it that the switches concern. */
const rows: readonly Row[] = [
  { path: "/datapoint/", methods: ["GET", "POST", "PUT"], history: [] },
  { path: "/datapoint/value/?ids={d}", methods: ["GET"], history: ["GET"] },
  ...messages("value"),
  ...messages("setpoint", true),
  ...messages("schedule", true),
  { path: "/controller/", methods: ["GET", "POST"], history: [], control: true },
  { path: "/controlled_datapoint/", methods: ["GET", "POST"], history: [], control: true },
  { path: "/datapoint/{d}/", methods: ["GET", "PATCH", "DELETE"], history: [] },
  { path: "/metrics/", methods: ["GET"], history: [] },
];

const all = ["GET", "POST", "PUT", "PATCH", "DELETE"];

describe.each([
  [true, true],
  [true, false],
  [false, true],
  [false, false],
])("with control %s and history %s", (control, history) => {
  let app: TestApp;
  let id = 0;

  beforeAll(async () => {
    const env = {
      ACTIVATE_CONTROL_EXTENSION: String(control),
      ACTIVATE_HISTORY_EXTENSION: String(history),
    };
    app = await startTestApp({ env });
    const body = [{ connector: { name: "c" }, key_in_connector: "k", type: "actuator" }];
    const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    id = created?.id ?? 0;
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test.each(rows)("$path has what the table says", async (row) => {
    const path = row.path.replace("{d}", String(id));
    const on =
      row.control && !control ? [] : row.methods.filter((method) => history || !row.history.includes(method));
    for (const method of all) {
      const response = await app.request(method, path, method === "GET" ? {} : { body: "[" });
      const told = [method, row.path, response.status];
      // A path that has another method says so; else there is nothing at it.
      if (on.length === 0) expect(told).toEqual([method, row.path, 404]);
      else if (on.includes(method) && isMissing(response)) continue;
      else if (on.includes(method)) expect([404, 405]).not.toContain(response.status);
      else {
        expect(told).toEqual([method, row.path, 405]);
        const allowed = (response.headers.get("allow") ?? "")
          .split(", ")
          .filter((name) => all.includes(name));
        expect(allowed.sort()).toEqual([...on].sort());
      }
    }
  });

  /** The route is there, no message at that time is. */
  const isMissing = (response: Response) => response.status === 404 && response.url.includes("1700000000000");

  test("a datapoint shows only topics that are in use", async () => {
    const body = [{ connector: { name: "c" }, key_in_connector: "t", type: "actuator" }];
    const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
    const full = await app.json<{ topics: object }>("GET", `/datapoint/${created?.id}/?detail=full`);
    expect(Object.keys(full.topics)).toEqual(control ? ["value", "setpoint", "schedule"] : ["value"]);
  });
});
