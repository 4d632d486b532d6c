import { hostname } from "node:os";
import type { FastifyReply, FastifyRequest } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpConfig } from "../config/config.ts";
import type { HttpServer } from "./app.ts";
import { as, testHttp } from "./fixture.ts";
import { publicAccess, right } from "./surface.ts";

const proxy = "10.0.0.1";
const stranger = "203.0.113.9";

describe("the gate", () => {
  let http: HttpServer | undefined;

  async function start(config: Partial<HttpConfig> = {}) {
    http = await testHttp({ trustedProxies: [proxy, "2001:db8::/32"], ...config });
    const { app } = http;
    app.get("/who", { config: { access: publicAccess } }, (request) => ({
      ip: request.ip,
      host: request.host,
      protocol: request.protocol,
    }));
    app.get("/any/get", { config: { access: publicAccess, surface: "series" } }, () => ({}));
    app.put("/any/get", { config: { access: publicAccess, surface: "series" } }, () => ({}));
    app.patch("/any", { config: { access: right("view", "thing"), surface: "pipelines" } }, () => ({}));
    app.get("/kept", { config: { access: publicAccess } }, (_request, reply) =>
      reply.header("cache-control", "max-age=60").send({}),
    );
    return (url: string, headers: Record<string, string> = {}, remoteAddress = stranger, method = "GET") =>
      app.inject({ method: method as "GET", url, headers, remoteAddress });
  }

  afterEach(() => http?.close());

  it("gives every answer the headers that guard it", async () => {
    const call = await start();
    for (const url of ["/who", "/nothing"]) {
      expect((await call(url)).headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "x-request-id": expect.stringMatching(/^\w+-\w+$/),
      });
    }
    expect((await call("/kept")).headers["cache-control"]).toBe("max-age=60");
  });

  it("lets pages bring nothing from elsewhere, unless they say otherwise", async () => {
    const call = await start();
    const config = { access: publicAccess };
    const send = (policy?: string) => (_request: FastifyRequest, reply: FastifyReply) => {
      if (policy) reply.header("content-security-policy", policy);
      return reply.type("text/html; charset=utf-8").send("<p>");
    };
    http?.app.get("/page", { config }, send());
    http?.app.get("/own", { config }, send("default-src 'none'"));
    expect((await call("/page")).headers["content-security-policy"]).toContain("default-src 'self'");
    expect((await call("/own")).headers["content-security-policy"]).toBe("default-src 'none'");
    expect((await call("/who")).headers["content-security-policy"]).toBeUndefined();
  });

  it("passes on a harmless request id and replaces any other", async () => {
    const call = await start();
    expect((await call("/who", { "x-request-id": "job-7/a" })).headers["x-request-id"]).toBe("job-7/a");
    for (const id of ["a b", "<script>", "x".repeat(200)]) {
      expect((await call("/who", { "x-request-id": id })).headers["x-request-id"]).not.toBe(id);
    }
  });

  it.each([
    "localhost",
    "localhost:8080",
    "192.0.2.7",
    "[2001:db8::1]:80",
    "bar.example",
    "BAR.example:1",
    hostname(),
    "a.localhost",
    "",
  ])("answers to the host %s", async (host) => {
    const call = await start();
    expect((await call("/who", { host })).statusCode).toBe(200);
  });

  it.each([
    "evil.example",
    "x.bar.example",
    "bar.example.evil",
    "a b",
    "localhost:x",
    "[::1",
    "bar.example/x",
  ])("does not answer to the host %s, except about its health", async (host) => {
    const call = await start();
    const answer = await call("/who", { host });
    expect([answer.statusCode, answer.json().type]).toEqual([400, "/problems/unknown-host"]);
    for (const url of ["/health", "/livez", "/readyz", "/health/"]) {
      expect((await call(url, { host })).statusCode).toBe(200);
    }
  });

  it("answers to any host with *, and to a domain with a dot", async () => {
    const any = await start({ allowedHosts: ["*"] });
    expect((await any("/who", { host: "evil.example" })).statusCode).toBe(200);
    await http?.close();
    const domain = await start({ allowedHosts: [".site.example"] });
    expect((await domain("/who", { host: "a.site.example" })).statusCode).toBe(200);
    expect((await domain("/who", { host: "site.example" })).statusCode).toBe(200);
    expect((await domain("/who", { host: "badsite.example" })).statusCode).toBe(400);
  });

  const forwarded = {
    "x-forwarded-for": "198.51.100.4",
    "x-forwarded-host": "bar.example",
    "x-forwarded-proto": "https",
  };

  it("believes forwarded headers from proxies it trusts only", async () => {
    const call = await start();
    const seen = { ip: "198.51.100.4", host: "bar.example", protocol: "https" };
    expect((await call("/who", forwarded, proxy)).json()).toEqual(seen);
    expect((await call("/who", forwarded, "2001:db8::7")).json()).toEqual(seen);
    const own = { ip: stranger, host: "localhost:80", protocol: "http" };
    expect((await call("/who", forwarded)).json()).toEqual(own);
    const standard = { forwarded: 'for="198.51.100.4:1234";host=bar.example;proto=https' };
    expect((await call("/who", standard, proxy)).json()).toEqual(seen);
    expect((await call("/who", standard)).json()).toEqual(own);
    const chain = { forwarded: 'for=6.6.6.6, for="[2001:db8::5]:99";proto=http' };
    expect((await call("/who", chain, proxy)).json()).toMatchObject({ ip: "6.6.6.6", protocol: "http" });
    expect((await call("/who", { "x-forwarded-host": "evil.example" }, proxy)).statusCode).toBe(400);
  });

  it("leads browsers, and only them, to HTTPS", async () => {
    const call = await start({ redirectHttps: true, httpsPort: 8443 });
    const browser = { accept: "text/html,*/*", host: "bar.example:8080" };
    const answer = await call("/who?a=1", browser);
    expect([answer.statusCode, answer.headers.location]).toEqual([308, "https://bar.example:8443/who?a=1"]);
    expect((await call("/who", { accept: "application/json" })).statusCode).toBe(200);
    expect((await call("/health", browser)).statusCode).toBe(200);
    expect((await call("/who", { ...browser, host: "evil.example" })).statusCode).toBe(400);
    const proxied = await call("/who", { ...browser, ...forwarded, "x-forwarded-proto": "http" }, proxy);
    expect(proxied.headers.location).toBe("https://bar.example/who");
    const secure = await call("/who", { ...browser, ...forwarded }, proxy);
    expect([secure.statusCode, secure.headers["strict-transport-security"]]).toEqual([
      200,
      "max-age=31536000",
    ]);
  });

  const cors = (answer: { headers: Record<string, unknown> }) => [
    answer.headers["access-control-allow-origin"],
    answer.headers["access-control-allow-credentials"],
  ];

  it("lets configured origins in, with credentials", async () => {
    const call = await start();
    const page = await call("/who", { origin: "https://page.example" });
    expect(cors(page)).toEqual(["https://page.example", "true"]);
    expect(page.headers.vary).toBe("Origin");
    expect(cors(await call("/who", { origin: "https://evil.example" }))).toEqual([undefined, undefined]);
    expect(cors(await call("/who"))).toEqual([undefined, undefined]);
    expect(cors(await call("/any/get", { origin: "https://page.example" }))).toEqual([
      "https://page.example",
      "true",
    ]);
  });

  it("lets any origin in without credentials where the surface or the configuration says so", async () => {
    const call = await start({ corsOrigins: ["*"] });
    const origin = "https://evil.example";
    expect(cors(await call("/who", { origin }))).toEqual(["*", undefined]);
    expect(cors(await call("/any/get", { origin }))).toEqual(["*", undefined]);
    expect(cors(await call("/any/get", { origin }, stranger, "PUT"))).toEqual([undefined, undefined]);
    expect(cors(await call("/any", { origin, ...as("reader") }, stranger, "PATCH"))).toEqual([
      "*",
      undefined,
    ]);
    // Refusals can be read by the page, too.
    expect(cors(await call("/any", { origin }, stranger, "PATCH"))).toEqual(["*", undefined]);
  });

  it("answers preflight requests without credentials", async () => {
    const call = await start();
    const asked = {
      origin: "https://x.example",
      "access-control-request-method": "PATCH",
      "access-control-request-headers": "authorization,content-type",
    };
    const answer = await call("/any", asked, stranger, "OPTIONS");
    expect(answer.statusCode).toBe(204);
    expect(answer.headers).toMatchObject({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "OPTIONS, PATCH",
      "access-control-allow-headers": "authorization,content-type",
      "access-control-max-age": "86400",
    });
    const refused = await call(
      "/who",
      { ...asked, "access-control-request-method": "GET" },
      stranger,
      "OPTIONS",
    );
    expect(refused.headers["access-control-allow-methods"]).toBeUndefined();
    const write = await call(
      "/any/get",
      { ...asked, "access-control-request-method": "PUT" },
      stranger,
      "OPTIONS",
    );
    expect(write.headers["access-control-allow-origin"]).toBeUndefined();
  });
});
