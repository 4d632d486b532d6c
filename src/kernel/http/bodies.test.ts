import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpServer } from "./app.ts";
import { testHttp } from "./fixture.ts";
import { publicAccess } from "./surface.ts";

const json = { "content-type": "application/json" };

describe("request bodies", () => {
  let http: HttpServer;

  beforeAll(async () => {
    http = await testHttp();
    const config = { access: publicAccess };
    const echo = (request: { readonly body: unknown }) => ({ body: request.body });
    http.app.post("/echo", { config }, echo);
    http.app.delete("/echo", { config }, echo);
    http.app.post("/big", { config, bodyLimit: 4 * 1024 * 1024 }, (request) => String(request.body).length);
    const Message = Type.Object({ value: Type.String(), timestamp: Type.Integer() });
    http.app.post("/message", { config, schema: { body: Message } }, echo);
    http.app.post("/upload", { config: { ...config, multipart: "stream" } }, async (request) => {
      const part = await request.file();
      return { name: part?.filename, text: (await part?.toBuffer())?.toString() };
    });
  });

  afterAll(() => http.close());

  const post = (payload: string | Buffer, headers: Record<string, string> = json, url = "/echo") =>
    http.app.inject({ method: "POST", url, payload, headers });
  const problem = async (answer: ReturnType<typeof post>) => {
    const { statusCode, body } = await answer;
    return [statusCode, JSON.parse(body).type] as const;
  };

  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "application/merge-patch+json",
    "APPLICATION/JSON",
  ])("reads %s", async (type) => {
    expect((await post('{"a":1}', { "content-type": type })).json()).toEqual({ body: { a: 1 } });
  });

  it("refuses what is not JSON, saying where", async () => {
    expect(await problem(post("{a:1}"))).toEqual([400, "/problems/invalid-json"]);
    expect((await post("{a:1}")).json().detail).toContain("line 1 column 2");
    expect(await problem(post("", json, "/message"))).toEqual([400, "/problems/invalid-json"]);
  });

  it("takes an announced but absent body where none is wanted", async () => {
    const answer = await http.app.inject({ method: "DELETE", url: "/echo", headers: json });
    expect([answer.statusCode, answer.json()]).toEqual([200, {}]);
  });

  it("refuses other media types, naming those it knows", async () => {
    const answer = await post("a,b", { "content-type": "text/csv" });
    expect(answer.statusCode).toBe(415);
    expect(answer.json().detail).toContain("application/json");
    expect(await problem(post("x", {}))).toEqual([415, "/problems/unsupported-media-type"]);
    expect(await problem(post("x", { "content-type": ";;" }))).toEqual([
      415,
      "/problems/unsupported-media-type",
    ]);
    const latin = { "content-type": "application/json; charset=latin1" };
    expect(await problem(post("{}", latin))).toEqual([415, "/problems/unsupported-media-type"]);
  });

  it("limits the size, and lets a route raise the limit", async () => {
    const large = JSON.stringify("x".repeat(1024 * 1024));
    expect(await problem(post(large))).toEqual([413, "/problems/too-large"]);
    expect((await post(large, json, "/big")).json()).toBe(1024 * 1024);
  });

  it("reads forms as texts", async () => {
    const type = { "content-type": "application/x-www-form-urlencoded" };
    expect((await post("value=21.5&tag=a&tag=b", type)).json()).toEqual({
      body: { value: "21.5", tag: ["a", "b"] },
    });
    const refused = await post("value=21.5&timestamp=1", type, "/message");
    expect(refused.json().fields).toEqual({ timestamp: ['Must be an integer, not "1".'] });
  });

  const part = (headers: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; ${headers}\r\n\r\n${content}\r\n`;
  const multipart = { "content-type": "multipart/form-data; boundary=b" };

  it("reads flat multipart messages as texts, and files only where they are expected", async () => {
    const flat = `${part('name="value"', "21.5")}${part('name="tag"', "ü")}--b--\r\n`;
    expect((await post(flat, multipart)).json()).toEqual({ body: { value: "21.5", tag: "ü" } });
    const file = `${part('name="f"; filename="a.txt"\r\nContent-Type: text/plain', "hello")}--b--\r\n`;
    expect(await problem(post(file, multipart))).toEqual([400, "/problems/invalid-request"]);
    expect((await post(file, multipart, "/upload")).json()).toEqual({ name: "a.txt", text: "hello" });
  });

  it.each([
    `${part('name="__proto__"', "1")}--b--\r\n`,
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
    "x",
  ])("refuses a broken multipart body (%#)", async (body) => {
    expect((await post(body, multipart)).statusCode).toBe(400);
  });

  it("limits the number of fields", async () => {
    const many = Array.from({ length: 1200 }, (_, index) => part(`name="f${index}"`, "1")).join("");
    expect(await problem(post(`${many}--b--\r\n`, multipart))).toEqual([413, "/problems/too-large"]);
  });

  it("limits a form as a whole, whatever it is sent as", async () => {
    const fields = Array.from({ length: 4 }, (_, index) =>
      part(`name="f${index}"`, "x".repeat(400_000)),
    ).join("");
    expect(await problem(post(`${fields}--b--\r\n`, multipart))).toEqual([413, "/problems/too-large"]);
    const packed = gzipSync(`${part('name="a"', "1")}--b--\r\n`);
    const answer = await post(packed, { ...multipart, "content-encoding": "gzip" });
    expect(answer.statusCode).toBe(415);
  });

  const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };

  it.each(Object.entries(packers))("unpacks %s", async (encoding, pack) => {
    const packed = pack(Buffer.from('{"a": 1}'));
    expect((await post(packed, { ...json, "content-encoding": encoding })).json()).toEqual({
      body: { a: 1 },
    });
    const bomb = pack(Buffer.alloc(64 * 1024 * 1024, " "));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    expect(await problem(post(bomb, { ...json, "content-encoding": encoding }))).toEqual([
      413,
      "/problems/too-large",
    ]);
    const cut = packed.subarray(0, packed.length - 4);
    expect(await problem(post(cut, { ...json, "content-encoding": encoding }))).toEqual([
      400,
      "/problems/invalid-request",
    ]);
    const odd = await problem(post("not packed at all", { ...json, "content-encoding": encoding }));
    expect(odd).toEqual([400, "/problems/invalid-request"]);
  });

  it("refuses an encoding it does not know, naming those it does", async () => {
    const answer = await post("x", { ...json, "content-encoding": "compress" });
    expect([answer.statusCode, answer.headers["accept-encoding"]]).toEqual([415, "gzip, deflate, br, zstd"]);
  });

  it("never fails at what a client may send", async () => {
    const types = [
      "application/json",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=b",
      "text/x",
      "",
    ];
    const encodings = ["", "identity", "gzip", "br", "zstd", "deflate", "x"];
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.string().map((text) => part(`name="${text}"`, text)),
    );
    const request = fc.record({
      url: fc.constantFrom("/echo", "/message", "/upload"),
      type: fc.constantFrom(...types),
      encoding: fc.constantFrom(...encodings),
      body,
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ url, type, encoding, body: payload }) => {
        const headers = {
          ...(type === "" ? {} : { "content-type": type }),
          ...(encoding === "" ? {} : { "content-encoding": encoding }),
        };
        const answer = await post(payload, headers, url);
        expect(answer.statusCode, answer.body).toBeLessThan(500);
        if (answer.statusCode >= 400) expect(answer.json()).toMatchObject({ status: answer.statusCode });
      }),
      { numRuns: 500 },
    );
  });
});
