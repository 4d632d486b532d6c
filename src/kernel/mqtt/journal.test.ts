import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";
import type { Database } from "../database/engine.ts";
import { Problem } from "../errors.ts";
import { createLog } from "../observe/log.ts";
import { brokerTables, type RetainedRow } from "./broker-tables.ts";
import { Journal } from "./journal.ts";
import { mqttMigrations } from "./migrations.ts";

const row = (topic: string, text: string): RetainedRow => ({ topic, payload: Buffer.from(text), qos: 1 });

/** The database, out of reach while `reachable` is false. */
const failing = (database: Database) => {
  const switchable = { reachable: true, writes: 0 };
  const wrapped: Database = Object.assign(Object.create(database) as Database, {
    write: (work: Parameters<Database["write"]>[0]) => {
      switchable.writes += 1;
      return switchable.reachable ? database.write(work) : Promise.reject(new Problem("store-unavailable"));
    },
  });
  return Object.assign(switchable, { database: wrapped });
};

describeEachEngine("journal", (engine) => {
  const read = async (database: Database) => {
    const rows = await brokerTables(database.read)
      .selectFrom("mqtt_retained")
      .selectAll()
      .orderBy("topic")
      .execute();
    return rows.map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`);
  };

  test("writes many changes in one transaction, of several of a row the last", async () => {
    await using database = await engine.open({ migrations: mqttMigrations });
    const store = failing(database);
    const journal = new Journal(store.database, createLog("silent"));
    for (let index = 0; index < 3000; index++)
      journal.put("retained", `t${index % 1200}`, row(`t${index % 1200}`, `${index}`));
    for (let index = 0; index < 1198; index++) journal.remove("retained", `t${index}`, row(`t${index}`, ""));
    expect(journal.durable()).toBe(journal.durable());
    await journal.durable();
    expect(store.writes).toBe(1);
    expect(await read(database)).toEqual(["t1198 2398", "t1199 2399"]);
    journal.remove("retained", "t1198", row("t1198", ""));
    await journal.close();
    expect(await read(database)).toEqual(["t1199 2399"]);
  });

  test("tells a failure to those who wait, keeps the changes and tries again", async () => {
    await using database = await engine.open({ migrations: mqttMigrations });
    const store = failing(database);
    const journal = new Journal(store.database, createLog("silent"));
    store.reachable = false;
    journal.put("retained", "a", row("a", "old"));
    journal.put("retained", "b", row("b", "kept"));
    await expect(journal.durable()).rejects.toMatchObject({ code: "store-unavailable" });
    journal.put("retained", "a", row("a", "new"));
    store.reachable = true;
    await until("the next attempt", async () => (await read(database)).length === 2);
    expect(await read(database)).toEqual(["a new", "b kept"]);
    await journal.close();
  });
});
