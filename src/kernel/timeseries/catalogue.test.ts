import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres } from "../../../test/engines.ts";
import { createStreams, openStore } from "../../../test/store.ts";
import { until } from "../../../test/until.ts";
import type { Database } from "../database/engine.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { timeseriesMigrations } from "./open.ts";
import type { StreamFilter, StreamPatch } from "./store.ts";

const update = (database: Database, store: LogStructuredStore, id: number, patch: StreamPatch) =>
  database.write((tx) => store.streams.update(tx, id, patch));

describeEachEngine("the catalogue of streams", (engine) => {
  test("lists by owner, unit, labels, tags and a part of the key, page by page", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    const keys = ["12/Value", "13/value", "13/setpoint", "50%_off", "Übersicht", "back\\slash"];
    const ids = await createStreams(database, store, keys);
    await database.write((tx) =>
      store.streams.ensure(tx, [{ owner: "other", key: "12/value", mode: "last", unit: "kW", labels: {} }]),
    );
    await update(database, store, ids[0] ?? 0, { tags: ["heat", "a,b"], labels: { room: "1", "x:y": 'q"' } });
    await update(database, store, ids[1] ?? 0, { tags: ["heat"], unit: "kW" });
    await update(database, store, ids[2] ?? 0, { labels: { a: ":", ",": "room" } });
    const found = async (filter: Partial<StreamFilter>) =>
      (await store.streams.list({ limit: 100, ...filter })).map(({ owner, key }) =>
        owner === "test" ? key : `${owner}: ${key}`,
      );
    expect(await found({})).toEqual([...keys, "other: 12/value"]);
    expect(await found({ owner: "other" })).toEqual(["other: 12/value"]);
    expect(await found({ unit: "kW" })).toEqual(["13/value", "other: 12/value"]);
    expect(await found({ search: "VALUE" })).toEqual(["12/Value", "13/value", "other: 12/value"]);
    expect(await found({ search: "%_" })).toEqual(["50%_off"]);
    expect(await found({ search: "\\" })).toEqual(["back\\slash"]);
    expect(await found({ search: "übers" })).toEqual(["Übersicht"]);
    expect(await found({ tags: ["heat"] })).toEqual(["12/Value", "13/value"]);
    expect(await found({ tags: ["heat", "a,b"] })).toEqual(["12/Value"]);
    expect(await found({ tags: ["hea"] })).toEqual([]);
    expect(await found({ labels: { room: "1", "x:y": 'q"' } })).toEqual(["12/Value"]);
    expect(await found({ labels: { ":": "," } })).toEqual([]);
    expect(await found({ ids: ids.slice(1, 3), search: "set" })).toEqual(["13/setpoint"]);
    expect(await found({ ids: [] })).toEqual([]);
    expect(await found({ limit: 2 })).toEqual(keys.slice(0, 2));
    expect(await found({ limit: 2, after: ids[1] ?? 0 })).toEqual(keys.slice(2, 4));
    expect(await found({ limit: 1, search: "value" })).toEqual(["12/Value"]);
  });

  test("an update is seen at once, and not when it is rolled back", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    const before = await store.streams.get(a);
    expect(before).toMatchObject({ unit: "°C", labels: { room: "1" }, tags: [], retention: null });
    const patch = { unit: "K", labels: { floor: "2" }, tags: ["x"], mode: "last", retention: 1000 } as const;
    expect(await update(database, store, a, patch)).toEqual({ ...before, ...patch });
    expect(await store.streams.get(a)).toEqual({ ...before, ...patch });
    expect(await store.streams.find("test", "a")).toEqual({ ...before, ...patch });
    const rolledBack = database.write(async (tx) => {
      await store.streams.update(tx, a, { unit: "F" });
      throw new Error("no");
    });
    await expect(rolledBack).rejects.toThrow("no");
    expect((await store.streams.get(a)).unit).toBe("K");
    expect((await update(database, store, a, { retention: null })).retention).toBeNull();
    expect((await update(database, store, a, {})).unit).toBe("K");
    await expect(update(database, store, 999, { unit: "K" })).rejects.toMatchObject({ code: "not-found" });
    await expect(update(database, store, a, { retention: 0 })).rejects.toMatchObject({ status: 400 });
    await expect(update(database, store, a, { tags: ["x", "x"] })).rejects.toMatchObject({ status: 400 });
  });
});

describeOnPostgres("the catalogue of several nodes", (engine) => {
  test("another node sees an update soon", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using second = await engine.reopen(database);
    await using here = await openStore(database);
    await using there = await openStore(second);
    const [a = 0] = await createStreams(database, here, ["a"]);
    expect((await there.streams.get(a)).unit).toBe("°C");
    await update(database, here, a, { unit: "K" });
    await until("the other node", async () => (await there.streams.get(a)).unit === "K");
  });
});
