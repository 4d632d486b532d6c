import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Credentials, startTestApp, type TestApp } from "../../../test/app.ts";

interface Route {
  readonly method: string;
  readonly path: string;
  readonly right: string;
  readonly body?: unknown;
  /** With the right alone. */
  readonly status: number;
}

const timestamp = 1_700_000_000_000;
const contents = { value: "1", setpoint: null, schedule: [] };
const message = { value: "1", timestamp };

/** In an order in which each finds what it needs. */
function messageRoutes(kind: keyof typeof contents): readonly Route[] {
  const list = `/datapoint/{d}/${kind}/`;
  const single = `${list}${timestamp}/`;
  const right = (action: string) => `${action}_datapoint${kind}`;
  const body = { [kind]: contents[kind], timestamp };
  return [
    { method: "GET", path: `/datapoint/last_${kind}/`, right: `view_datapointlast${kind}`, status: 200 },
    { method: "POST", path: list, right: right("add"), body, status: 503 },
    { method: "PUT", path: list, right: right("change"), body: [body], status: 200 },
    { method: "GET", path: list, right: right("view"), status: 200 },
    { method: "PUT", path: single, right: right("change"), body, status: 201 },
    { method: "GET", path: single, right: right("view"), status: 200 },
    { method: "DELETE", path: single, right: right("delete"), status: 204 },
  ];
}

/** In an order in which each finds what it needs; `{d}` is an actuator, `{c}` its connector. */
const routes: readonly Route[] = [
  { method: "GET", path: "/datapoint/", right: "view_datapoint", status: 200 },
  { method: "POST", path: "/datapoint/", right: "add_datapoint", body: [], status: 201 },
  { method: "PUT", path: "/datapoint/", right: "change_datapoint", body: [], status: 200 },
  { method: "POST", path: "/datapoint/activate/", right: "change_datapoint", body: { ids: [] }, status: 200 },
  {
    method: "POST",
    path: "/datapoint/deactivate/",
    right: "change_datapoint",
    body: { ids: [] },
    status: 200,
  },
  { method: "GET", path: "/datapoint/{d}/", right: "view_datapoint", status: 200 },
  { method: "PATCH", path: "/datapoint/{d}/", right: "change_datapoint", body: {}, status: 200 },
  { method: "GET", path: "/datapoint/value/?ids={d}", right: "view_datapointvalue", status: 200 },
  ...(["value", "setpoint", "schedule"] as const).flatMap(messageRoutes),
  { method: "PUT", path: "/datapoint/{d}/guard/", right: "change_datapointguard", body: {}, status: 201 },
  { method: "GET", path: "/datapoint/{d}/guard/", right: "view_datapointguard", status: 200 },
  { method: "DELETE", path: "/datapoint/{d}/guard/", right: "delete_datapointguard", status: 204 },
  { method: "GET", path: "/commands/", right: "view_command", status: 200 },
  { method: "GET", path: "/connector/", right: "view_connector", status: 200 },
  { method: "POST", path: "/connector/", right: "add_connector", body: { name: "other" }, status: 201 },
  { method: "GET", path: "/connector/discovered/", right: "view_connector", status: 200 },
  { method: "GET", path: "/connector/{c}/", right: "view_connector", status: 200 },
  { method: "PATCH", path: "/connector/{c}/", right: "change_connector", body: {}, status: 200 },
  { method: "GET", path: "/connector/{c}/logs/", right: "view_connectorlogentry", status: 200 },
  { method: "GET", path: "/controller/", right: "view_controller", status: 200 },
  { method: "POST", path: "/controller/", right: "add_controller", body: { name: "new" }, status: 201 },
  { method: "GET", path: "/controller/{k}/", right: "view_controller", status: 200 },
  { method: "PUT", path: "/controller/{k}/", right: "change_controller", body: { name: "k" }, status: 200 },
  { method: "PATCH", path: "/controller/{k}/", right: "change_controller", body: {}, status: 200 },
  { method: "GET", path: "/controlled_datapoint/", right: "view_controlleddatapoint", status: 200 },
  {
    method: "POST",
    path: "/controlled_datapoint/",
    right: "add_controlleddatapoint",
    body: { controller: 0, sensor_datapoint: 0, actuator_datapoint: 0 },
    status: 400,
  },
  { method: "GET", path: "/controlled_datapoint/{p}/", right: "view_controlleddatapoint", status: 200 },
  {
    method: "PUT",
    path: "/controlled_datapoint/{p}/",
    right: "change_controlleddatapoint",
    body: { controller: 0, sensor_datapoint: 0, actuator_datapoint: 0 },
    status: 400,
  },
  {
    method: "PATCH",
    path: "/controlled_datapoint/{p}/",
    right: "change_controlleddatapoint",
    body: {},
    status: 200,
  },
  { method: "DELETE", path: "/controlled_datapoint/{p}/", right: "delete_controlleddatapoint", status: 204 },
  { method: "DELETE", path: "/controller/{k}/", right: "delete_controller", status: 204 },
  { method: "DELETE", path: "/datapoint/{d}/", right: "delete_datapoint", status: 204 },
  { method: "DELETE", path: "/connector/{c}/", right: "delete_connector", status: 204 },
];

describe("who may do what", () => {
  let app: TestApp;
  /** An actuator, its connector, a controller, and what is given to it. */
  const ids: Record<string, number> = {};
  const path = (route: Route) => route.path.replace(/\{(\w)\}/g, (_, name: string) => String(ids[name]));
  const password = "Different-horse-7";

  const user = async (name: string, permissions: readonly string[]): Promise<Credentials> => {
    await app.json("POST", "/users/", { body: { name, password, permissions }, status: 201 });
    return { name, password };
  };

  beforeAll(async () => {
    app = await startTestApp();
    const one = async (url: string, body: unknown) => {
      const created = await app.json<{ id: number } | { id: number }[]>("POST", url, { body, status: 201 });
      return [created].flat()[0]?.id ?? 0;
    };
    const item = (type: string) => [{ connector: { name: "c" }, key_in_connector: "k", type }];
    ids["d"] = await one("/datapoint/", item("actuator"));
    const [connector] = await app.json<{ id: number }[]>("GET", "/connector/");
    ids["c"] = connector?.id ?? 0;
    ids["k"] = await one("/controller/", { name: "k" });
    const sensor = await one("/datapoint/", item("sensor"));
    const pair = { controller: ids["k"], sensor_datapoint: sensor, actuator_datapoint: ids["d"] };
    ids["p"] = await one("/controlled_datapoint/", pair);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("without credentials every route asks for them", async () => {
    for (const route of routes) {
      const response = await app.request(route.method, path(route), { as: null });
      expect([route.method, route.path, response.status]).toEqual([route.method, route.path, 401]);
      expect(await response.json()).toMatchObject({
        detail: "Authentication credentials were not provided.",
      });
    }
  });

  test("the missing right comes before the missing method", async () => {
    const nobody = await user("nobody", []);
    for (const route of routes) {
      const response = await app.request(route.method, path(route), { as: nobody, body: route.body });
      expect([route.method, route.path, response.status]).toEqual([route.method, route.path, 403]);
    }
    expect((await app.request("DELETE", "/datapoint/", { as: nobody })).status).toBe(403);
    const response = await app.request("DELETE", "/datapoint/");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toContain("PUT");
  });

  test("each route is open to its right alone", async () => {
    const all = [...new Set(routes.map(({ right }) => right))];
    for (const right of all) {
      const holder = await user(`only-${right}`, [right]);
      for (const route of routes) {
        if (route.right === right) continue;
        const response = await app.request(route.method, path(route), { as: holder, body: route.body });
        expect([right, route.method, route.path, response.status]).toEqual([
          right,
          route.method,
          route.path,
          403,
        ]);
      }
    }
    for (const route of routes) {
      const as = { name: `only-${route.right}`, password };
      const response = await app.request(route.method, path(route), { as, body: route.body });
      expect([route.method, route.path, response.status]).toEqual([route.method, route.path, route.status]);
    }
  });

  test("OPTIONS answers everywhere, and both forms of a path are the same", async () => {
    for (const route of routes) {
      const response = await app.request("OPTIONS", path(route));
      expect(response.status).toBe(204);
      expect(response.headers.get("allow")).toContain(route.method);
    }
    expect((await app.request("GET", "/datapoint")).status).toBe(200);
  });
});

test("below a root path, and without history", async () => {
  await using app = await startTestApp({
    env: { ROOT_PATH: "site/api/", ACTIVATE_HISTORY_EXTENSION: "FALSE" },
  });
  const body = [{ connector: { name: "c" }, key_in_connector: "k", type: "actuator" }];
  const [created] = await app.json<{ id: number }[]>("POST", "/site/api/datapoint/", { body, status: 201 });
  await app.json("GET", "/datapoint/", { status: 404 });
  const values = `/site/api/datapoint/${created?.id}/value/`;
  await app.json("GET", values, { status: 405 });
  await app.json("PUT", values, { body: [message], status: 405 });
  await app.json("DELETE", `${values}1/`, { status: 404 });
  await app.json("POST", values, { body: { ...message, timestamp: Date.now() }, status: 503 });
});
