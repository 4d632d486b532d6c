import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import {
  append,
  hourMillis,
  type MadeStream,
  makeStreams,
  makeUser,
  now,
  startApp,
} from "../../../test/streams.ts";
import type { LogStructuredStore } from "../../kernel/timeseries/log-structured-store.ts";

interface StreamView {
  readonly points: number;
  readonly bytes: number;
}

const dayMillis = 24 * hourMillis;
const ages = [9, 8, 3, 2, 1];

describeEachEngine("retention over REST", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  const id = (index: number): number => made[index]?.id ?? 0;
  const store = () => app.server.kernel.timeseries as LogStructuredStore;
  const patch = (index: number, body: object) => app.json("PATCH", `/streams/${id(index)}/`, { body });
  const setRules = (keep: string | null) =>
    app.json("PUT", "/streams/retention/", {
      body: { default: null, owners: keep ? { datapoints: keep } : {} },
    });
  const values = async (index: number) => {
    const path = `/streams/query?ids=${id(index)}`;
    const { streams } = await app.json<{ streams: { points: [number, unknown][] }[] }>("GET", path);
    return streams[0]?.points.map(([, value]) => value);
  };
  const daily = async (index: number) => {
    const path = `/streams/query?ids=${id(index)}&from=2024-01-01&to=2024-01-11&interval=1d&agg=count&fill=null`;
    const { columns } = await app.json<{ columns: { values: (number | null)[] }[] }>("GET", path);
    return columns[0]?.values.map((count) => count ?? 0);
  };
  const code = (index: number, age: number) =>
    append(app, id(index), [[now - age * dayMillis, age]]).then(
      () => "taken",
      (error: unknown) => (error as { code: string }).code,
    );

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kWh", "kWh", "kWh"]);
    for (const index of made.keys())
      await append(
        app,
        id(index),
        ages.map((age) => [now - age * dayMillis, age] as const),
      );
    await setRules("5 days");
    await store().retention.run();
    await setRules(null);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  test("a longer rule brings nothing back: the horizon stays, and what is after it is kept longer", async () => {
    await setRules("8 days");
    await store().retention.run();
    expect(await code(0, 6)).toBe("expired");
    expect(await code(0, 4)).toBe("taken");
    expect(await values(0)).toEqual([4, 3, 2, 1]);
    expect(await daily(0)).toEqual([1, 1, 0, 0, 0, 1, 1, 1, 1, 0]);
    await setRules(null);
    await store().retention.run();
    expect(await code(0, 6)).toBe("expired");
  });

  test("mode last drops points and summaries with the next point; back to history, the horizon is where it was", async () => {
    await patch(1, { mode: "last" });
    expect(await values(1)).toEqual([1]);
    await patch(1, { mode: "history" });
    // Nothing came meanwhile: nothing was dropped.
    expect(await values(1)).toEqual([3, 2, 1]);
    await patch(1, { mode: "last" });
    await append(app, id(1), [[now, 0]]);
    await store().compact();
    await patch(1, { mode: "history" });
    expect(await values(1)).toEqual([0]);
    expect(await daily(1)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(await code(1, 6)).toBe("expired");
    expect(await code(1, 4)).toBe("taken");
    for (const compacted of [false, true]) {
      if (compacted) await store().compact();
      expect(await values(1)).toEqual([4, 0]);
      expect(await daily(1)).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    }
  });

  test("a stream that keeps only its newest point has no retention, and its point stays", async () => {
    await patch(2, { mode: "last", retention: "1 day" });
    await store().retention.run();
    expect(await values(2)).toEqual([1]);
    await patch(2, { mode: "history", retention: null });
    expect(await values(2)).toEqual([3, 2, 1]);
  });

  test("detail=full counts what can still be read", async () => {
    const [a] = await makeStreams(app, ["kWh"]);
    const full = () => app.json<StreamView>("GET", `/streams/${a?.id}/?detail=full`);
    const points = Array.from(
      { length: 5000 },
      (_, i) => [now - 9 * dayMillis + i * 100_000, i % 7] as const,
    );
    await append(app, a?.id ?? 0, points);
    await store().compact();
    const before = await full();
    expect(before.points).toBe(5000);
    await app.json("PATCH", `/streams/${a?.id}/`, { body: { retention: "5 days" } });
    await store().retention.run();
    const kept = points.filter(([time]) => time >= Date.UTC(2024, 0, 5)).length;
    const after = await full();
    expect(after.points).toBe(kept);
    expect(after.bytes).toBeLessThan(before.bytes);
    expect(await app.json("GET", `/streams/?ids=${a?.id},${id(0)}&detail=full`)).toMatchObject([
      { points: 4 },
      { points: kept },
    ]);
  });

  test("rules for all need a right of their own, which the right on streams is not", async () => {
    const body = { default: "1 day", owners: {} };
    const owners = { default: null, owners: { datapoints: "1 day" } };
    const one = await makeUser(app, [
      "view_stream",
      `change_stream:${id(0)}`,
      "view_datapointvalue",
      "change_datapoint",
    ]);
    const all = await makeUser(app, ["view_stream", "change_stream", "view_datapointvalue"]);
    for (const as of [one, all]) {
      await app.json("PUT", "/streams/retention/", { as, body, status: 403 });
      await app.json("PUT", "/streams/retention/", { as, body: owners, status: 403 });
      await app.json("GET", "/streams/retention/", { as, status: 403 });
    }
    await app.json("PUT", "/streams/retention/", { as: null, body, status: 401 });
    await app.json("PATCH", `/streams/${id(0)}/`, { as: one, body: { retention: "2 years" } });
    await app.json("PATCH", `/streams/${id(1)}/`, { as: one, body: { retention: "1 day" }, status: 404 });
    await app.json("PATCH", `/streams/${id(1)}/`, { as: all, body: { retention: "1 day" }, status: 403 });
    const keeper = await makeUser(app, ["view_retention", "change_retention"]);
    expect(await app.json("GET", "/streams/retention/", { as: keeper })).toEqual({
      default: null,
      owners: {},
    });
    await app.json("PUT", "/streams/retention/", { as: keeper, body: { ...body, reason: "law" } });
    const [change] = await app.json<object[]>("GET", "/changes/?resource=retention&object=rules");
    expect(change).toMatchObject({ reason: "law", after: { default: "P1D" } });
    await setRules(null);
  });

  test("operators change streams, and not the rules for all", async () => {
    const password = "Different-horse-7";
    const as = { name: "operator", password };
    await app.json("POST", "/users/", { body: { ...as, role: "operator" }, status: 201 });
    await app.json("PATCH", `/streams/${id(0)}/`, { as, body: { tags: ["a"] } });
    await app.json("GET", "/streams/retention/", { as });
    await app.json("PUT", "/streams/retention/", { as, body: { default: "1 day", owners: {} }, status: 403 });
  });
});
