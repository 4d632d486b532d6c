import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpServer } from "./app.ts";
import { as, testHttp } from "./fixture.ts";
import { publicAccess, right, signedIn, superuser } from "./surface.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

describe("routes", () => {
  let http: HttpServer;

  beforeAll(async () => {
    http = await testHttp();
    const { app } = http;
    const echo = (request: { readonly method: string }) => ({ method: request.method });
    for (const method of methods) {
      app.route({
        method,
        url: `/both/${method.toLowerCase()}/`,
        config: { access: publicAccess },
        handler: echo,
      });
    }
    app.get("/thing/", { config: { access: right("view", "thing") } }, echo);
    app.post("/thing/", { config: { access: right("add", "thing") } }, echo);
    app.get("/thing/:id/", { config: { access: right("view", "thing", "id") } }, echo);
    app.get("/mine", { config: { access: signedIn } }, echo);
    app.get("/deep", { config: { access: superuser } }, echo);
    app.get("/series/thing", { config: { access: right("view", "thing"), surface: "series" } }, echo);
    app.get(
      "/series/thing/:id",
      { config: { access: right("view", "thing", "id"), surface: "series" } },
      echo,
    );
    app.get("/fault", { config: { access: publicAccess } }, () => {
      throw new Error("select * from secrets");
    });
    app.get("/fault/series", { config: { access: publicAccess, surface: "series" } }, () => {
      throw new Error("select * from secrets");
    });
  });

  afterAll(() => http.close());

  const call = (method: string, url: string, headers: Record<string, string> = {}) =>
    http.app.inject({ method: method as "GET", url, headers });
  const status = async (method: string, url: string, headers?: Record<string, string>) =>
    (await call(method, url, headers)).statusCode;

  it.each(methods)("answers %s with and without the final slash, never by a redirect", async (method) => {
    for (const url of [`/both/${method.toLowerCase()}`, `/both/${method.toLowerCase()}/`]) {
      const answer = await call(method, url);
      expect([answer.statusCode, answer.json()]).toEqual([200, { method }]);
    }
    expect(await status(method, `/both//${method.toLowerCase()}`)).toBe(404);
  });

  it("answers HEAD wherever there is GET, with the same right and no body", async () => {
    const head = await call("HEAD", "/thing", as("reader"));
    expect([head.statusCode, head.body]).toEqual([200, ""]);
    expect(head.headers["content-length"]).toBe(String(JSON.stringify({ method: "HEAD" }).length));
    expect(await status("HEAD", "/thing")).toBe(401);
    expect(await status("HEAD", "/thing", as("nobody"))).toBe(403);
  });

  it("enforces each kind of access", async () => {
    expect(await status("GET", "/thing")).toBe(401);
    expect(await status("GET", "/thing", as("nobody"))).toBe(403);
    expect(await status("GET", "/thing", as("seven"))).toBe(403);
    expect(await status("GET", "/thing", as("reader"))).toBe(200);
    expect(await status("POST", "/thing", as("reader"))).toBe(403);
    expect(await status("POST", "/thing", as("root"))).toBe(200);
    expect(await status("GET", "/mine")).toBe(401);
    expect(await status("GET", "/mine", as("nobody"))).toBe(200);
    expect(await status("GET", "/deep", as("reader"))).toBe(403);
    expect(await status("GET", "/deep", as("root"))).toBe(200);
  });

  it("refuses wrong credentials even where none are needed", async () => {
    expect(await status("GET", "/both/get", as("stranger"))).toBe(401);
  });

  it("hides single objects of others, or refuses them, as the surface says", async () => {
    expect(await status("GET", "/thing/7", as("seven"))).toBe(200);
    expect(await status("GET", "/thing/8", as("seven"))).toBe(404);
    expect(await status("GET", "/thing/8", as("nobody"))).toBe(403);
    expect(await status("GET", "/series/thing/8", as("seven"))).toBe(403);
  });

  it("answers the anonymous as the surface says, with a challenge only outside browser pages", async () => {
    expect((await call("GET", "/thing")).headers["www-authenticate"]).toBe('Basic realm="api"');
    const page = await call("GET", "/thing", { "sec-fetch-mode": "cors" });
    expect([page.statusCode, page.headers["www-authenticate"]]).toEqual([401, undefined]);
    const series = await call("GET", "/series/thing");
    expect([series.statusCode, series.headers["www-authenticate"]]).toEqual([403, undefined]);
    expect(series.json().message).toBe(series.json().detail);
  });

  it("tells of a missing method only those who may use the path", async () => {
    expect(await status("DELETE", "/thing/")).toBe(401);
    expect(await status("DELETE", "/thing/", as("reader"))).toBe(403);
    const answer = await call("DELETE", "/thing/", as("root"));
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe("GET, HEAD, OPTIONS, POST");
    expect(answer.json().type).toBe("/problems/method-not-allowed");
    expect(await status("POST", "/both/get")).toBe(405);
    expect(await status("POST", "/deep", as("reader"))).toBe(403);
    expect((await call("POST", "/series/thing", as("root"))).json().message).toContain("not allowed");
  });

  it("answers a missing method before it looks at the body", async () => {
    const answer = await http.app.inject({
      method: "PUT",
      url: "/both/get",
      headers: { "content-type": "text/odd" },
      payload: "x",
    });
    expect(answer.statusCode).toBe(405);
  });

  it("answers OPTIONS with the methods of the path, to anybody", async () => {
    const answer = await call("OPTIONS", "/thing");
    expect([answer.statusCode, answer.headers.allow, answer.body]).toEqual([
      204,
      "GET, HEAD, OPTIONS, POST",
      "",
    ]);
    expect(await status("OPTIONS", "/nothing")).toBe(404);
  });

  it.each(["/nothing", "/thing/1/2", "/THING", "/%2e%2e/x"])(
    "answers 404 as a problem at %s",
    async (url) => {
      const answer = await call("GET", url);
      expect(answer.statusCode).toBe(404);
      expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      expect(answer.json()).toMatchObject({
        type: "/problems/not-found",
        status: 404,
        requestId: expect.any(String),
      });
    },
  );

  it("answers a broken path and an endless one", async () => {
    const broken = await call("GET", "/thing/%zz");
    expect([broken.statusCode, broken.json().type]).toEqual([400, "/problems/invalid-request"]);
    const endless = await call("GET", `/thing/${"x".repeat(2000)}`, as("root"));
    expect([endless.statusCode, endless.json().type]).toEqual([400, "/problems/invalid-request"]);
  });

  it("never fails at what a request line and headers may hold", async () => {
    const names = [
      "accept",
      "accept-encoding",
      "authorization",
      "content-type",
      "cookie",
      "forwarded",
      "host",
    ];
    const more = [
      "idempotency-key",
      "if-none-match",
      "origin",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-request-id",
    ];
    const text = fc.string({ unit: "grapheme-ascii" });
    const request = fc.record({
      method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
      path: fc.oneof(
        fc.constantFrom("/thing", "/thing/7", "/schema", "/", "/problems/x"),
        fc.webPath(),
        text,
      ),
      query: fc.oneof(fc.webQueryParameters(), text),
      headers: fc.dictionary(fc.constantFrom(...names, ...more), text, { maxKeys: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, query, headers }) => {
        const answer = await call(method, `/${path.replace(/^[/\\]+/, "")}?${query}`, headers);
        expect(answer.statusCode, answer.body).toBeLessThan(500);
        expect(answer.headers["x-request-id"]).toBeDefined();
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps the inside of a fault inside", async () => {
    const answer = await call("GET", "/fault");
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({
      type: "/problems/internal",
      requestId: answer.headers["x-request-id"],
    });
    expect(answer.body).not.toContain("secrets");
    expect((await call("GET", "/fault/series")).json().message).not.toContain("secrets");
  });
});

describe("start-up", () => {
  it("refuses a route that does not state its access", async () => {
    const http = await testHttp();
    expect(() => http.app.get("/open", () => "x")).toThrow(
      "The route GET /open does not state config.access.",
    );
    await http.close();
  });

  it("logs faults with the request's id", async () => {
    const http = await testHttp();
    http.app.get("/fault", { config: { access: publicAccess } }, () => Promise.reject(new Error("boom")));
    await http.app.inject({ url: "/fault", headers: { "x-request-id": "abc-1" } });
    const line = http.logged.map((text) => JSON.parse(text)).find(({ level }) => level === 50);
    expect(line).toMatchObject({ reqId: "abc-1", msg: "request failed", err: { message: "boom" } });
    await http.close();
  });
});
