import { freePort } from "../test/services/service.ts";
import { until } from "../test/until.ts";
import { askChild } from "./child.ts";
import { below, type Figure } from "./figures.ts";
import type { HttpTask, TimedResult } from "./http-load.ts";
import type { FloodResult, MqttTask } from "./mqtt-load.ts";
import { type Bench, BenchServer, basic } from "./server.ts";

const datapoints = 1000;
const connector = "growth";
const dayValues = 8640;
const day = 86_400_000;
const firstDay = Date.UTC(2020, 0, 1);
const senders = 4;
const longest = 3_600_000;

/** The whole server while points come in at its front doors, as fast as it takes them. */
export async function serverGrowth(bench: Bench): Promise<readonly Figure[]> {
  const points = bench.quick ? 2_000_000 : 50_000_000;
  const mqttPort = await freePort();
  await using server = await BenchServer.start(bench, { BUSBAR_MQTT_PORT: String(mqttPort) });
  const ids = await server.addDatapoints(connector, datapoints);
  const before = await readerP99(server, ids, 200);
  return [
    ...(await measured(server, ids, "PUT of days over HTTP", points, before, () =>
      putDays(server, ids, points),
    )),
    ...(await measured(server, ids, "MQTT, built-in broker", points, before, () =>
      flood(server, mqttPort, ids, points),
    )),
  ];
}

async function measured(
  server: BenchServer,
  ids: readonly number[],
  door: string,
  points: number,
  idle: number,
  ingest: () => Promise<void>,
): Promise<readonly Figure[]> {
  await server.loopDelay();
  let done = false;
  const reads: number[] = [];
  const reader = async () => {
    while (!done) reads.push(await readerP99(server, ids, 100));
  };
  const reading = reader();
  const from = performance.now();
  await ingest();
  const seconds = (performance.now() - from) / 1000;
  done = true;
  await reading;
  const delay = await server.loopDelay();
  const name = `growth: ${points / 1e6} million points by ${door}`;
  return [
    { name: `${name}, rate`, value: points / seconds, unit: "points/s" },
    { name: `${name}, memory at most`, value: server.mostMemory() / 2 ** 20, unit: "MB", target: below(300) },
    { name: `${name}, event loop delay p99.9`, value: delay.p999, unit: "ms", target: below(20) },
    {
      name: `${name}, a reader's p99`,
      value: Math.max(...reads),
      unit: "ms",
      target: below(2 * idle),
      floor: { name: "idle", value: idle },
    },
  ];
}

const load = <T>(task: HttpTask): Promise<T> => askChild<T>("./http-load.ts", task, longest);
const headers = { authorization: basic };

/** Milliseconds: a day of one datapoint, then the newest values of all, again and again. */
async function readerP99(server: BenchServer, ids: readonly number[], count: number): Promise<number> {
  const requests = Array.from({ length: count }, (_, i) => ({
    method: "GET",
    path:
      i % 2 === 0
        ? `/datapoint/${ids[(7 * i) % ids.length]}/value/?timestamp__gte=${firstDay}&timestamp__lt=${firstDay + day}`
        : "/datapoint/last_value/",
    headers,
  }));
  return (await load<TimedResult>({ kind: "timed", port: server.port, requests })).p99;
}

async function putDays(server: BenchServer, ids: readonly number[], points: number): Promise<void> {
  const days = Math.ceil(points / dayValues);
  const shares = Array.from({ length: senders }, (_, sender) =>
    Array.from({ length: days }, (_, i) => i)
      .filter((i) => i % senders === sender)
      .map((i) => ({
        method: "PUT",
        path: `/datapoint/${ids[i % ids.length]}/value/`,
        headers,
        day: { from: firstDay + Math.floor(i / ids.length) * day, count: dayValues },
      })),
  );
  await Promise.all(
    shares.map((requests) => load<TimedResult>({ kind: "timed", port: server.port, requests })),
  );
}

async function flood(
  server: BenchServer,
  port: number,
  ids: readonly number[],
  count: number,
): Promise<void> {
  const stored = () => server.metric("busbar_timeseries_points_total");
  const before = await stored();
  const series = { connector, ids, firstTime: Date.UTC(2026, 0, 1), step: 1000 };
  const task: MqttTask = { kind: "flood", port, count, series };
  await askChild<FloodResult>("./mqtt-load.ts", task, longest);
  await until("the messages in the store", async () => (await stored()) - before >= count, 60_000);
}
