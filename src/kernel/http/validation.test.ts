import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpServer } from "./app.ts";
import { testHttp } from "./fixture.ts";
import { publicAccess } from "./surface.ts";

const Item = Type.Object({
  value: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
  timestamp: Type.Integer({ minimum: 0 }),
  kind: Type.Optional(Type.Union([Type.Literal("sensor"), Type.Literal("actuator")])),
  place: Type.Optional(Type.Object({ name: Type.String() }, { additionalProperties: false })),
  at: Type.Optional(Type.String({ format: "date-time" })),
});

describe("validation", () => {
  let http: HttpServer;

  beforeAll(async () => {
    http = await testHttp();
    const config = { access: publicAccess };
    http.app.post("/item", { config, schema: { body: Item } }, (request) => request.body);
    http.app.put("/items", { config, schema: { body: Type.Array(Item) } }, (request) => request.body);
    const Query = Type.Object({
      from: Type.Optional(Type.Integer()),
      flag: Type.Optional(Type.Boolean()),
      size: Type.Integer({ default: 5 }),
      id: Type.Optional(Type.Array(Type.Integer())),
    });
    http.app.get("/query", { config, schema: { querystring: Query } }, (request) => request.query);
    const Params = Type.Object({ id: Type.Integer({ minimum: 0 }) });
    http.app.get("/object/:id", { config, schema: { params: Params } }, (request) => request.params);
  });

  afterAll(() => http.close());

  const post = (body: unknown) =>
    http.app.inject({ method: "POST", url: "/item", payload: JSON.stringify(body), headers: json });
  const put = (body: unknown) =>
    http.app.inject({ method: "PUT", url: "/items", payload: JSON.stringify(body), headers: json });
  const json = { "content-type": "application/json" };

  it("passes a good body on unchanged, unknown members included", async () => {
    const body = { value: "1", timestamp: 1, extra: [1, { a: null }] };
    expect((await post(body)).json()).toEqual(body);
  });

  it("names each missing field in the words clients know", async () => {
    const answer = await post({});
    expect(answer.statusCode).toBe(400);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.json()).toMatchObject({
      type: "/problems/invalid-request",
      status: 400,
      fields: { value: ["This field is required."], timestamp: ["This field is required."] },
      errors: [
        { pointer: "/value", detail: "This field is required." },
        { pointer: "/timestamp", detail: "This field is required." },
      ],
    });
  });

  it.each([
    [{ value: "1", timestamp: "21" }, "timestamp", 'Must be an integer, not "21".'],
    [{ value: "1", timestamp: 1.5 }, "timestamp", "Must be an integer, not 1.5."],
    [{ value: "1", timestamp: -1 }, "timestamp", "Must be at least 0, not -1."],
    [{ value: 5, timestamp: 1 }, "value", "Must be a string or null, not 5."],
    [{ value: "", timestamp: 1 }, "value", 'Must have at least 1 characters, not "".'],
    [{ value: "1", timestamp: 1, kind: "foo" }, "kind", 'Must be one of "sensor", "actuator", not "foo".'],
    [{ value: "1", timestamp: 1, place: {} }, "place", "name: This field is required."],
    [{ value: "1", timestamp: 1, place: { name: "x", y: 1 } }, "place", "y: This field is not known here."],
    [{ value: "1", timestamp: 1, at: "now" }, "at", 'Must have the format date-time, not "now".'],
  ])("refuses %j with one sentence", async (body, field, sentence) => {
    const answer = await post(body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().fields).toEqual({ [field]: [sentence] });
    expect(answer.json().detail).toContain(field);
  });

  it.each([[[1]], ["x"], [null], [5]])("says that %j is no object", async (body) => {
    expect((await post(body)).json().fields).toEqual({
      non_field_errors: [expect.stringContaining("Must be an object")],
    });
  });

  it("says that a body is missing", async () => {
    const answer = await http.app.inject({ method: "POST", url: "/item" });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().fields.non_field_errors).toHaveLength(1);
  });

  it("aligns the faults of an array with what was sent", async () => {
    const good = { value: "1", timestamp: 1 };
    const answer = await put([good, { value: "1" }, good, 7]);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().items).toEqual([
      {},
      { timestamp: ["This field is required."] },
      {},
      { non_field_errors: ["Must be an object, not 7."] },
    ]);
    expect((await put({})).json().fields.non_field_errors).toEqual(["Must be an array, not an object."]);
  });

  it("lists a hundred faults at most, but answers for every item", async () => {
    const answer = (await put(Array.from({ length: 500 }, () => ({})))).json();
    expect(answer.errors).toHaveLength(100);
    expect(answer.items).toHaveLength(500);
  });

  it("reads texts of the query as the types they stand for", async () => {
    const answer = await http.app.inject("/query?from=5&flag=true&id=1&id=2");
    expect(answer.json()).toEqual({ from: 5, flag: true, size: 5, id: [1, 2] });
    expect((await http.app.inject("/query?id=3")).json().id).toEqual([3]);
    const bad = await http.app.inject("/query?from=x");
    expect(bad.statusCode).toBe(400);
    expect(bad.json().fields).toEqual({ from: ['Must be an integer, not "x".'] });
  });

  it.each(["abc", "-1", "1.5"])("finds nothing at an id like %s", async (id) => {
    const answer = await http.app.inject(`/object/${id}`);
    expect(answer.statusCode).toBe(404);
    expect(answer.json().detail).toContain("id");
  });

  it("refuses numbers beyond a double, which pass every bound once they are Infinity", async () => {
    const query = await http.app.inject("/query?from=1e999");
    expect(query.statusCode).toBe(400);
    expect(query.json().fields).toEqual({ from: ["The number is beyond the range of a double."] });
    expect((await http.app.inject("/object/1e999")).statusCode).toBe(404);
  });
});
