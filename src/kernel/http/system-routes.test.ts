import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { problemTypes } from "../errors.ts";
import { as, type TestHttp, testHttp, testVersion } from "./fixture.ts";
import { openApiText, writeOpenApi } from "./openapi.ts";
import { right } from "./surface.ts";
import { problemSections } from "./system-routes.ts";

let http: TestHttp;

beforeEach(async () => {
  http = await testHttp();
});

afterEach(() => http.close());

const get = (url: string, headers: Record<string, string> = {}, remoteAddress = "203.0.113.9") =>
  http.app.inject({ url, headers, remoteAddress });

describe("health", () => {
  it("says ok, warns and fails as its parts do; details only for callers it knows", async () => {
    expect((await get("/health")).json()).toEqual({ status: "ok", checks: {} });
    http.health.register("disk", () => ({ status: "warn", detail: "3 % free at /data" }));
    expect((await get("/health")).json()).toEqual({ status: "warn", checks: { disk: { status: "warn" } } });
    expect((await get("/readyz")).statusCode).toBe(200);
    http.health.register("broker", () => Promise.reject(new Error("no route to broker.local")));
    const failing = await get("/health");
    expect(failing.statusCode).toBe(503);
    expect(failing.body).not.toContain("broker.local");
    expect((await get("/health", as("nobody"))).json().checks.broker).toEqual({
      status: "fail",
      detail: "no route to broker.local",
    });
    expect([(await get("/readyz")).statusCode, (await get("/livez")).statusCode]).toEqual([503, 200]);
  });

  it("sends new requests elsewhere while draining", async () => {
    http.health.drain();
    const answer = await get("/readyz");
    expect([answer.statusCode, answer.json()]).toEqual([503, { status: "draining" }]);
  });
});

describe("metrics", () => {
  it("needs the right, or a caller on this machine without a proxy in between", async () => {
    for (const url of ["/metrics", "/metrics/"]) {
      expect((await get(url)).statusCode).toBe(401);
      expect((await get(url, as("nobody"))).statusCode).toBe(403);
      expect((await get(url, as("monitor"))).statusCode).toBe(200);
      expect((await get(url, {}, "127.0.0.1")).statusCode).toBe(200);
      expect((await get(url, {}, "::1")).statusCode).toBe(200);
      expect((await get(url, { "x-forwarded-for": "1.2.3.4" }, "127.0.0.1")).statusCode).toBe(401);
    }
    expect((await get("/metrics")).headers["content-type"]).toContain("application/problem+json");
  });

  it("counts requests by route pattern, method and status", async () => {
    for (const url of ["/version", "/version", "/nothing", "/problems/conflict"]) await get(url);
    const text = (await get("/metrics", as("monitor"))).body;
    expect(text).toContain('busbar_http_requests_total{method="GET",route="/version",status="200"} 2');
    expect(text).toContain('busbar_http_requests_total{method="GET",route="",status="404"} 1');
    expect(text).toContain('busbar_http_requests_total{method="GET",route="/problems/:code",status="200"} 1');
    const bucket = 'busbar_http_request_duration_seconds_bucket{method="GET",route="/version",le="+Inf"} 2';
    expect(text).toContain(bucket);
    expect(text).toContain('busbar_http_request_duration_seconds_count{method="GET",route="/version"} 2');
    expect(text).toContain("process_cpu_seconds_total");
  });
});

describe("documents", () => {
  it("introduces the server, and leads browsers to the docs page", async () => {
    expect((await get("/")).json()).toMatchObject({
      name: "busbar",
      version: testVersion,
      links: { docs: "/docs" },
    });
    const browser = await get("/", { accept: "text/html,application/xhtml+xml" });
    expect([browser.statusCode, browser.headers.location]).toEqual([302, "/docs"]);
    expect((await get("/redoc")).headers.location).toBe("/docs");
    expect((await get("/version")).json()).toEqual({ name: "busbar", version: testVersion });
  });

  it("serves the docs page and all it needs itself", async () => {
    for (const url of ["/docs", "/docs/"]) {
      const page = await get(url);
      expect([page.statusCode, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
      expect(page.headers["content-security-policy"]).toContain("default-src 'self'");
      const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset]) => asset ?? "");
      expect(assets.length).toBeGreaterThan(3);
      for (const asset of assets) {
        const path = new URL(asset, `http://localhost${url}`);
        expect(path.host).toBe("localhost");
        expect((await get(path.pathname)).statusCode, asset).toBe(200);
      }
    }
    expect((await get("/docs/static/nothing.js")).json().type).toBe("/problems/not-found");
  });

  it("describes every route in OpenAPI 3.1, as JSON and YAML", async () => {
    http.app.get(
      "/thing/",
      {
        config: { access: right("view", "thing"), surface: "datapoints" },
        schema: {
          description: "All things.",
          response: { 200: Type.Array(Type.Object({ id: Type.Integer() })) },
        },
      },
      () => [],
    );
    const document = (await get("/openapi.json")).json();
    expect(document).toMatchObject({ openapi: "3.1.0", info: { version: testVersion } });
    const operation = document.paths["/thing/"].get;
    expect(operation.description).toBe("All things.\n\nNeeds the right `view_thing`.");
    expect(operation.tags).toEqual(["Datapoints"]);
    expect(operation.security).toHaveLength(3);
    expect(operation.responses.default.content["application/problem+json"].schema.$ref).toContain("Problem");
    expect(operation.responses[200].content["application/json"].schema.items.properties.id.type).toBe(
      "integer",
    );
    expect(Object.keys(document.paths).filter((path) => path.startsWith("/docs"))).toEqual([]);
    expect(parse((await get("/schema/")).body)).toEqual(document);
    expect((await get("/schema", { accept: "application/json" })).json()).toEqual(document);
    expect((await get("/schema/?format=json")).json()).toEqual(document);
    expect((await get("/schema/?format=xml")).statusCode).toBe(406);
  });

  it("writes the document to a file, the same each time", async () => {
    const folder = await mkdtemp(join(tmpdir(), "busbar-openapi-"));
    try {
      await writeOpenApi(http.app, join(folder, "openapi.json"));
      const written = await readFile(join(folder, "openapi.json"), "utf8");
      expect(written).toBe(await openApiText(http.app));
      expect(JSON.parse(written).paths["/health"]).toBeDefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("problem types", () => {
  const markdown = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");

  it("each have a section in docs/errors.md with their status, and none besides", () => {
    const headings = [...markdown.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(Object.entries(problemTypes).map(([code, { status }]) => `${code} (${status})`));
  });

  it("are explained at the path that problems name", async () => {
    for (const [code, section] of problemSections(markdown)) {
      const answer = await get(`/problems/${code}`);
      expect([answer.statusCode, answer.body]).toEqual([200, section]);
    }
    expect((await get("/problems/odd")).statusCode).toBe(404);
    expect((await get("/problems")).json()).toContain("/problems/not-found");
  });
});
