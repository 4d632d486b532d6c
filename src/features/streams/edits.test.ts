import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import {
  append,
  fieldsOf,
  hourMillis,
  type MadeStream,
  makeStreams,
  makeUser,
  now,
  startApp,
} from "../../../test/streams.ts";

interface EditView {
  readonly id: number;
  readonly undone_by: number | null;
}

const dayMillis = 24 * hourMillis;

describeEachEngine("edits and retention over REST", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  const id = (index: number): number => made[index]?.id ?? 0;
  const values = async (index: number) => {
    const path = `/streams/query?ids=${id(index)}`;
    const { streams } = await app.json<{ streams: { points: [number, unknown][] }[] }>("GET", path);
    return streams[0]?.points.map(([, value]) => value);
  };
  const edit = (index: number, body: object, status = 201) =>
    app.json<EditView>("POST", `/streams/${id(index)}/edits/`, { body, status });
  const range = { from: "2024-01-10T09:00:00Z", to: now - hourMillis, reason: "meter" };

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kWh", "kWh", "kWh"]);
    for (const index of [0, 1])
      await append(
        app,
        id(index),
        [8, 10, 2, 5, 7].map((value, i) => [now - (5 - i) * hourMillis, value] as const),
      );
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("a preview tells the totals and changes nothing", async () => {
    const body = { operation: "fix_counter_reset", ...range, preview: true };
    const { reason: _, ...unexplained } = body;
    expect(await edit(0, unexplained, 200)).toEqual({
      before: { count: 2, numbers: 2, sum: 7, first: 2, last: 5, min: 2, max: 5, increase: 5 },
      after: { count: 2, numbers: 2, sum: 27, first: 12, last: 15, min: 12, max: 15, increase: 5 },
    });
    expect(await values(0)).toEqual([8, 10, 2, 5, 7]);
  });

  test("an edit is undone, and that is undone", async () => {
    const scaled = await edit(0, { operation: "scale", factor: 10, ...range });
    expect(await values(0)).toEqual([8, 10, 20, 50, 7]);
    const undo = (which: number, status = 201) =>
      app.json<EditView>("POST", `/streams/${id(0)}/edits/${which}/undo/`, {
        body: { reason: "no" },
        status,
      });
    const undone = await undo(scaled.id);
    expect(await values(0)).toEqual([8, 10, 2, 5, 7]);
    await undo(scaled.id, 409);
    await undo(undone.id);
    expect(await values(0)).toEqual([8, 10, 20, 50, 7]);
    const list = await app.json<EditView[]>("GET", `/streams/${id(0)}/edits/?limit=2`);
    expect(list).toMatchObject([{ undoes: undone.id }, { undoes: scaled.id, operation: "undo" }]);
    const changes = await app.json<object[]>("GET", `/changes/?resource=stream&object=${id(0)}`);
    expect(changes[2]).toMatchObject({
      reason: "meter",
      before: { operation: "scale", points: { sum: 7 } },
      after: { edit: scaled.id, points: { sum: 70 } },
    });
  });

  test("points that came after an edit are not overwritten by its undo", async () => {
    const { id: shifted } = await edit(1, { operation: "shift", by: 1, ...range });
    await append(app, id(1), [[now - 2 * hourMillis - 1, 99]]);
    const path = `/streams/${id(1)}/edits/${shifted}/undo/`;
    const answer = await app.json<{ detail: string }>("POST", path, { body: { reason: "no" }, status: 409 });
    expect(answer.detail).toContain("2024-01-10T09:59:59.999Z");
  });

  test.each([
    [{ operation: "shift", ...range }, "by"],
    [{ operation: "scale", by: 1, ...range }, "by"],
    [{ operation: "scale", factor: 1e308, ...range }, "factor"],
    [{ operation: "delete", ...range, from: now }, "to"],
    [{ operation: "delete", ...range, reason: " " }, "reason"],
    [{ operation: "double", ...range }, "operation"],
    [{ operation: "interpolate", ...range, to: now }, "to"],
  ])("%j is refused by its field", async (body, field) => {
    expect(await fieldsOf(app, `/streams/${id(1)}/edits/`, { method: "POST", body })).toEqual([field]);
  });

  test("edits need the right to change, and the owner's", async () => {
    const as = await makeUser(app, ["view_stream", "change_stream", "view_datapointvalue"]);
    const body = { operation: "delete", ...range };
    await app.json("POST", `/streams/${id(1)}/edits/`, { as, body, status: 403 });
    await app.json("GET", `/streams/${id(1)}/edits/`, { as });
    await app.json("GET", `/streams/${id(1)}/edits/`, { as: null, status: 401 });
  });

  test("expired points go, their summaries stay, and older ones are refused", async () => {
    await append(
      app,
      id(2),
      [10, 9, 1, 0].map((days) => [now - days * dayMillis, days] as const),
    );
    const { retention } = app.server.kernel.timeseries;
    const preview = await app.json("GET", `/streams/${id(2)}/retention/preview?keep=5d`);
    expect(preview).toMatchObject({
      horizon: "2024-01-05T00:00:00Z",
      points: 2,
      first: "2023-12-31T12:00:00Z",
      last: "2024-01-01T12:00:00Z",
    });
    const rules = { default: null, owners: { datapoints: "P5D" } };
    expect(await app.json("PUT", "/streams/retention/", { body: { ...rules, reason: "law" } })).toEqual(
      rules,
    );
    expect(await app.json("GET", "/streams/retention/")).toEqual(rules);
    await retention.run();
    expect(await values(2)).toEqual([1, 0]);
    const read = (interval: string) =>
      app.json<{ columns: { values: unknown[] }[] }>(
        "GET",
        `/streams/query?ids=${id(2)}&from=2023-12-31&to=2024-01-02&interval=${interval}&agg=sum`,
      );
    expect((await read("1d")).columns[0]?.values).toEqual([10, 9]);
    expect((await read("5m")).columns[0]?.values.every((value) => value === null)).toBe(true);
    const old = await append(app, id(2), [[now - 9 * dayMillis, 1]]).catch((error: unknown) => error);
    expect(old).toMatchObject({ code: "expired", fields: { "times/0": [expect.any(String)] } });
    const body = { operation: "delete", from: 0, to: now, reason: "all" };
    expect(await fieldsOf(app, `/streams/${id(2)}/edits/`, { method: "POST", body })).toEqual(["from"]);
  });
});
