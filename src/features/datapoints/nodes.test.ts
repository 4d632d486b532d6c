import { describe, inject, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { createDatabase, dropDatabase } from "../../../test/services/postgres.ts";
import { until } from "../../../test/until.ts";

const t0 = 1_700_000_000_000;

const received = async (app: TestApp, connector: string): Promise<number> => {
  const metric = await app.server.kernel.metrics
    .getSingleMetric("bemcom_djangoapi_mqtt_messages_received_total")
    ?.get();
  const own = metric?.values.filter(({ labels }) => labels["topic"] === `${connector}/messages/+/value`);
  return own?.[0]?.value ?? 0;
};

const postgres = inject("postgres");

describe.skipIf(!inject("mosquitto") || postgres === null)("two nodes on one database", () => {
  test("a change on one is followed by the other", async () => {
    const url = await createDatabase(postgres ?? "");
    try {
      const env = { DATABASE_URL: url, DJANGO_SECRET_KEY: "the-same-on-all-nodes-0123456789" };
      await using a = await startTestApp({ broker: "mosquitto", env });
      const broker = { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(a.mqttPort) };
      await using b = await startTestApp({ env: { ...env, ...broker } });
      const body = [{ connector: { name: "c" }, key_in_connector: "s", type: "sensor" }];
      const [created] = await a.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
      await a.json("POST", "/datapoint/activate/", { body: { ids: [created?.id] } });
      await using connector = await TestConnector.connect(a, "c");
      await connector.map("the map", ({ sensor }) => "s" in sensor);
      await until("both to hear the value", async () => {
        await connector.send("s", 1, t0);
        return (await received(a, "c")) > 0 && (await received(b, "c")) > 0;
      });
      const values = `/datapoint/${created?.id}/value/`;
      for (const app of [a, b])
        await until("the value", async () => (await app.json<object[]>("GET", values)).length === 1);

      const [c] = await b.json<{ id: number }[]>("GET", "/connector/");
      await using renamed = await TestConnector.connect(a, "d");
      await b.json("PATCH", `/connector/${c?.id}/`, { body: { name: "d" } });
      await renamed.map("the new map", ({ sensor }) => "s" in sensor);
      await until("both to hear the new topic", async () => {
        await renamed.send("s", 2, t0 + 1);
        return (await received(a, "d")) > 0 && (await received(b, "d")) > 0;
      });
      await until("the second value", async () => (await a.json<object[]>("GET", values)).length === 2);

      await a.json("DELETE", `/connector/${c?.id}/`, { status: 204 });
      await until("the empty map", () => Object.keys(renamed.maps.at(-1)?.sensor ?? {}).length === 0);
      await b.json("GET", `/datapoint/${created?.id}/`, { status: 404 });
    } finally {
      await dropDatabase(postgres ?? "", url);
    }
  });
});
