import { readFileSync } from "node:fs";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, it } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../app.ts";
import { until } from "../until.ts";

/** Hourly normals of Seattle, from NOAA: one row for each hour of 2010 but the first. */
const file = new URL("../data/seattle-weather-hourly-normals.csv", import.meta.resolve("vega-datasets"));
const connector = "weather-station";
const columns = ["pressure", "temperature", "wind"] as const;
type Column = (typeof columns)[number];

type Row = { readonly timestamp: number } & Readonly<Record<Column, number>>;

function readRows(): readonly Row[] {
  const [header = "", ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  expect(header.split(",")).toEqual(["date", ...columns]);
  return lines.map((line) => {
    const [date = "", pressure, temperature, wind] = line.split(",");
    return {
      timestamp: Date.parse(`${date}Z`),
      pressure: Number(pressure),
      temperature: Number(temperature),
      wind: Number(wind),
    };
  });
}

interface Datapoint {
  readonly id: number;
  readonly key_in_connector: string;
}

/** Announces the columns, has them activated and returns the topics of the map. */
async function setUp(app: TestApp, client: MqttClient): Promise<Readonly<Record<Column, string>>> {
  const maps: { sensor: Record<Column, string> }[] = [];
  client.on("message", (_topic, payload) => maps.push(JSON.parse(payload.toString("utf8"))));
  await client.subscribeAsync(`${connector}/datapoint_map`, { qos: 1 });
  await app.json("POST", "/connector/", { body: { name: connector }, status: 201 });
  const sensor = Object.fromEntries(columns.map((column) => [column, 0]));
  await client.publishAsync(`${connector}/available_datapoints`, JSON.stringify({ sensor, actuator: {} }), {
    qos: 1,
    retain: true,
  });
  const found = await until("the announced datapoints", async () => {
    const all = await app.json<Datapoint[]>("GET", "/datapoint/?is_active=all");
    return all.length === columns.length ? all : undefined;
  });
  await app.json("POST", "/datapoint/activate/", { body: { ids: found.map(({ id }) => id) } });
  return until("the map with all columns", () =>
    maps.map((map) => map.sensor).find((topics) => columns.every((column) => column in topics)),
  );
}

/** Each column's values in the order of the file, as QoS 1 messages. */
async function replay(
  client: MqttClient,
  topics: Readonly<Record<Column, string>>,
  rows: readonly Row[],
): Promise<void> {
  const together = 500;
  for (let from = 0; from < rows.length; from += together)
    await Promise.all(
      rows.slice(from, from + together).flatMap((row) =>
        columns.map((column) => {
          const message = { value: row[column], timestamp: row.timestamp };
          return client.publishAsync(topics[column], JSON.stringify(message), { qos: 1 });
        }),
      ),
    );
}

async function expectRows(app: TestApp, rows: readonly Row[]): Promise<void> {
  const datapoints = await app.json<Datapoint[]>("GET", "/datapoint/");
  expect(datapoints.map((datapoint) => datapoint.key_in_connector).sort()).toEqual([...columns]);
  for (const { id, key_in_connector } of datapoints) {
    const expected = rows.map((row) => ({
      value: row[key_in_connector as Column],
      timestamp: row.timestamp,
    }));
    const complete = async () => {
      const messages = await app.json<unknown[]>("GET", `/datapoint/${id}/value/?values=native`);
      return messages.length === rows.length ? messages : undefined;
    };
    expect(await until("all rows", complete)).toEqual(expected);
    const texts = await app.json<{ value: string; timestamp: number }[]>("GET", `/datapoint/${id}/value/`);
    expect(texts.map(({ value, timestamp }) => ({ value: JSON.parse(value), timestamp }))).toEqual(expected);
  }
}

describeEachApp("a year of weather, hour by hour", (kind) => {
  it("is read back exactly, also after a restart", async () => {
    const rows = readRows();
    expect(rows).toHaveLength(8759);
    await using app = await startTestApp(kind);
    const client = await connectAsync(app.mqttUrl);
    try {
      await replay(client, await setUp(app, client), rows);
    } finally {
      await client.endAsync(true);
    }
    await expectRows(app, rows);
    await app.restart();
    await expectRows(app, rows);
  }, 60_000);
});
