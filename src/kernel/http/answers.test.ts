import { Readable } from "node:stream";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import type { LightMyRequestResponse } from "fastify";
import { Type } from "typebox";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../errors.ts";
import { chooseEncoding } from "./compress.ts";
import { checkPreconditions, etagOf, sendWithEtag } from "./etag.ts";
import { as, type TestHttp, testHttp } from "./fixture.ts";
import { MemoryIdempotency } from "./idempotency.ts";
import { decodeCursor, encodeCursor, page, pageQuery } from "./paging.ts";
import { limitRate, RateLimit } from "./rate-limit.ts";
import { publicAccess } from "./surface.ts";

const config = { access: publicAccess };
let http: TestHttp;

beforeEach(async () => {
  http = await testHttp();
});

afterEach(() => http.close());

describe("compression", () => {
  const rows = Array.from({ length: 500 }, (_, id) => ({ id }));
  const get = async (url: string, encoding?: string) => {
    const headers = encoding === undefined ? {} : { "accept-encoding": encoding };
    return http.app.inject({ url, headers });
  };

  beforeEach(() => {
    http.app.get("/rows", { config }, () => rows);
    http.app.get("/small", { config }, () => ({ a: 1 }));
    http.app.get("/picture", { config }, (_request, reply) =>
      reply.type("image/png").send(Buffer.alloc(5000)),
    );
    http.app.get("/stream", { config }, (_request, reply) =>
      reply
        .type("application/json")
        .send(Readable.from([JSON.stringify(rows).slice(0, 100), JSON.stringify(rows).slice(100)])),
    );
  });

  it.each([
    ["gzip", gunzipSync],
    ["deflate", inflateSync],
    ["br", brotliDecompressSync],
    ["zstd", zstdDecompressSync],
  ] as const)("packs large answers as %s when asked to", async (encoding, unpack) => {
    for (const url of ["/rows", "/stream"]) {
      const answer = await get(url, encoding);
      expect(answer.headers["content-encoding"]).toBe(encoding);
      expect(answer.headers.vary).toBe("Accept-Encoding");
      expect(JSON.parse(unpack(answer.rawPayload).toString())).toEqual(rows);
    }
  });

  it("leaves small, packed and unasked answers alone", async () => {
    for (const [url, encoding] of [
      ["/small", "gzip"],
      ["/picture", "gzip"],
      ["/rows", undefined],
      ["/rows", "x"],
    ] as const) {
      const answer = await get(url, encoding);
      expect(answer.headers["content-encoding"]).toBeUndefined();
      if (url !== "/picture") answer.json();
    }
  });

  it.each([
    ["gzip, deflate, br", "br"],
    ["gzip;q=1, br;q=0.5", "gzip"],
    ["*", "gzip"],
    ["gzip;q=0", undefined],
    ["identity", undefined],
    ["", undefined],
    ["gzip;q=x", undefined],
  ])("for Accept-Encoding %j chooses %s", (accept, encoding) => {
    expect(chooseEncoding(accept)).toBe(encoding);
  });
});

describe("entity tags", () => {
  beforeEach(() => {
    let thing = { name: "a" };
    http.app.get("/thing", { config }, (request, reply) => sendWithEtag(request, reply, thing));
    http.app.put(
      "/thing",
      { config, schema: { body: Type.Object({ name: Type.String() }) } },
      (request, reply) => {
        checkPreconditions(request, thing);
        thing = { name: request.body.name };
        return sendWithEtag(request, reply, thing);
      },
    );
  });

  const put = (name: string, headers: Record<string, string>) =>
    http.app.inject({ method: "PUT", url: "/thing", payload: { name }, headers });

  it("spares the caller what it has already", async () => {
    const tag = String((await http.app.inject("/thing")).headers.etag);
    const again = await http.app.inject({ url: "/thing", headers: { "if-none-match": `"x", W/${tag}` } });
    expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, "", tag]);
    expect((await http.app.inject({ url: "/thing", headers: { "if-none-match": '"x"' } })).statusCode).toBe(
      200,
    );
  });

  it("guards a change by the state it was made from", async () => {
    const tag = String((await http.app.inject("/thing")).headers.etag);
    expect((await put("b", { "if-match": tag })).statusCode).toBe(200);
    const late = await put("c", { "if-match": tag });
    expect([late.statusCode, late.json().type]).toEqual([412, "/problems/precondition-failed"]);
    expect(late.headers.etag).toBe(etagOf({ name: "b" }));
    expect((await put("c", { "if-match": "*" })).statusCode).toBe(200);
    expect((await put("d", { "if-none-match": "*" })).statusCode).toBe(412);
  });
});

describe("idempotent requests", () => {
  let runs: number;

  beforeEach(() => {
    runs = 0;
    http.app.post("/order", { config }, async (request, reply) => {
      runs += 1;
      const body = request.body as { readonly fail?: string };
      if (body.fail === "fault") throw new Error("boom");
      if (body.fail === "conflict") throw new Problem("conflict");
      await new Promise((resolve) => setImmediate(resolve));
      return reply
        .code(201)
        .header("location", `/order/${runs}`)
        .send({ run: runs, pad: "x".repeat(3000) });
    });
    http.app.post("/secret", { config: { ...config, idempotent: false } }, () => ({ run: ++runs }));
  });

  const order = (
    key: string,
    payload: object = { a: 1 },
    headers: Record<string, string> = {},
    url = "/order",
  ) => http.app.inject({ method: "POST", url, payload, headers: { "idempotency-key": key, ...headers } });

  it("runs once and answers twice alike", async () => {
    const first = await order("k", { a: 1 }, { "accept-encoding": "gzip" });
    const second = await order("k");
    expect(runs).toBe(1);
    expect([second.statusCode, second.headers.location]).toEqual([201, "/order/1"]);
    expect(second.json()).toEqual(JSON.parse(gunzipSync(first.rawPayload).toString()));
    expect(second.headers["idempotency-replayed"]).toBe("true");
    expect(second.headers["x-request-id"]).not.toBe(first.headers["x-request-id"]);
  });

  it("lets a duplicate wait for the first", async () => {
    const answers = await Promise.all([order("k"), order("k"), order("k")]);
    expect(runs).toBe(1);
    expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
  });

  it("refuses the key for another body, and keeps callers apart", async () => {
    await order("k");
    const other = await order("k", { a: 2 });
    expect([other.statusCode, other.json().type]).toEqual([422, "/problems/idempotency-mismatch"]);
    expect((await order("k", { a: 2 }, as("reader"))).statusCode).toBe(201);
    expect(runs).toBe(2);
  });

  it("keeps refusals but lets faults be tried again", async () => {
    expect((await order("c", { fail: "conflict" })).statusCode).toBe(409);
    expect((await order("c", { fail: "conflict" })).statusCode).toBe(409);
    expect(runs).toBe(1);
    await order("f", { fail: "fault" });
    await order("f", { fail: "fault" });
    expect(runs).toBe(3);
  });

  it("forgets after a day", async () => {
    await order("k");
    http.time.now += 25 * 3_600_000;
    await order("k");
    expect(runs).toBe(2);
  });

  it("keeps a bounded number of bytes, the newest", async () => {
    const store = new MemoryIdempotency({ now: () => 0 });
    const answer = { status: 200, headers: {}, body: Buffer.alloc(1024 * 1024) };
    for (let index = 0; index < 100; index += 1) {
      expect(store.begin(`k${index}`, "f")).toBeUndefined();
      store.settle(`k${index}`, answer);
    }
    expect(await store.begin("k99", "f")?.answer).toBe(answer);
    expect(store.begin("k0", "f")).toBeUndefined();
  });

  it("does nothing where it is switched off, and refuses odd keys", async () => {
    await order("k", {}, {}, "/secret");
    await order("k", {}, {}, "/secret");
    expect(runs).toBe(2);
    expect((await order("ü ")).statusCode).toBe(400);
  });
});

describe("paging", () => {
  const rows = Array.from({ length: 25 }, (_, index) => ({ id: index + 1, name: `n${index}` }));

  beforeEach(() => {
    http.app.get("/rows", { config, schema: { querystring: Type.Object(pageQuery) } }, (request, reply) => {
      const { limit, cursor } = request.query;
      const [after = 0] = cursor === undefined ? [] : decodeCursor(cursor, ["number"]);
      const found = rows.filter(({ id }) => id > Number(after));
      return limit === undefined
        ? found
        : page(request, reply, found.slice(0, limit + 1), limit, ({ id }) => [id]);
    });
  });

  it("walks all rows once, whatever the page size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), async (limit) => {
        const seen: unknown[] = [];
        let url: string | undefined = `/rows?limit=${limit}&x=1`;
        while (url !== undefined) {
          const answer: LightMyRequestResponse = await http.app.inject(url);
          seen.push(...answer.json());
          url = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ""))?.[1];
        }
        expect(seen).toEqual(rows);
      }),
    );
    expect((await http.app.inject("/rows")).json()).toEqual(rows);
  });

  it("keeps the keys of a cursor", () => {
    const keys = fc.tuple(fc.string(), fc.maxSafeInteger());
    fc.assert(
      fc.property(keys, (given) => {
        expect(decodeCursor(encodeCursor(given), ["string", "number"])).toEqual(
          JSON.parse(JSON.stringify(given)),
        );
      }),
    );
  });

  it.each(["x", "W10", encodeCursor(["a"]), encodeCursor([1, 2]), "%F0", ""])(
    "refuses the cursor %j",
    async (cursor) => {
      const answer = await http.app.inject(`/rows?cursor=${cursor}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json().fields.cursor).toHaveLength(1);
    },
  );

  it.each(["0", "-1", "x", "1.5", "1000000"])("refuses the limit %s", async (limit) => {
    expect((await http.app.inject(`/rows?limit=${limit}`)).statusCode).toBe(400);
  });
});

describe("rate limits", () => {
  it("refuses more than the bucket holds, and says when to come back", async () => {
    const limit = new RateLimit({ capacity: 2, perSecond: 0.5, clock: { now: () => http.time.now } });
    http.app.get("/limited", { config, onRequest: limitRate(limit) }, () => ({}));
    const call = (name?: string) => http.app.inject({ url: "/limited", headers: name ? as(name) : {} });
    expect((await call()).headers).toMatchObject({
      "ratelimit-policy": '"default";q=2;w=4',
      ratelimit: '"default";r=1;t=2',
    });
    expect((await call()).statusCode).toBe(200);
    const refused = await call();
    expect([refused.statusCode, refused.headers["retry-after"], refused.json().type]).toEqual([
      429,
      "2",
      "/problems/too-many-requests",
    ]);
    expect((await call("reader")).statusCode).toBe(200);
    http.time.now += 2000;
    expect((await call()).statusCode).toBe(200);
    expect((await call()).statusCode).toBe(429);
  });

  it("never grants more than capacity plus what time gives back, in bounded memory", () => {
    const step = fc.record({ key: fc.constantFrom("a", "b", "c"), wait: fc.nat(3000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const limit = new RateLimit({ capacity: 3, perSecond: 1, maxKeys: 10, clock: { now: () => now } });
        const granted = new Map<string, number>();
        for (const { key, wait } of steps) {
          now += wait;
          if (limit.take(key).allowed) granted.set(key, (granted.get(key) ?? 0) + 1);
          expect(granted.get(key) ?? 0).toBeLessThanOrEqual(3 + now / 1000);
        }
      }),
    );
    const small = new RateLimit({ capacity: 1, perSecond: 1, maxKeys: 2, clock: { now: () => 0 } });
    for (const key of ["a", "b", "c"]) expect(small.take(key).allowed).toBe(true);
    expect(small.take("c").allowed).toBe(false);
    expect(small.take("a").allowed).toBe(true);
  });
});
