import assert from "node:assert";
import abstractPersistence from "aedes-persistence/abstract.js";
import { afterAll, beforeAll, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import type { Database } from "../database/engine.ts";
import { createLog } from "../observe/log.ts";
import { BrokerState } from "./broker-state.ts";
import { brokerTables } from "./broker-tables.ts";
import { mqttMigrations } from "./migrations.ts";

const tables = ["mqtt_retained", "mqtt_subscriptions", "mqtt_queued", "mqtt_incoming", "mqtt_wills"] as const;

describeEachEngine("broker state as aedes expects a persistence", (engine) => {
  let database: Database;
  beforeAll(async () => {
    database = await engine.open({ migrations: mqttMigrations });
  });
  afterAll(() => database[Symbol.asyncDispose]());

  const newState = async () => {
    await database.write(async (tx) => {
      for (const table of tables) await brokerTables(tx).deleteFrom(table).execute();
    });
    const log = createLog("silent");
    return new BrokerState({
      database,
      log,
      queueLimit: 100_000,
      onDropped: () => {},
      maySubscribe: () => true,
    });
  };

  abstractPersistence({
    test: (name, work) => test(name, () => work({ assert, plan: () => {}, diagnostic: () => {} })),
    persistence: newState,
    testAsync: true,
  });
});
