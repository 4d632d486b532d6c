import { type Mosquitto, startMosquitto } from "../test/services/mosquitto.ts";
import { findService } from "../test/services/programs.ts";
import { freePort } from "../test/services/service.ts";
import { until } from "../test/until.ts";
import { askChild, startChild } from "./child.ts";
import { atLeast, below, type Figure, type Floor } from "./figures.ts";
import type { FloodResult, LatencyResult, MessageSeries, MqttTask } from "./mqtt-load.ts";
import { type Bench, BenchServer, basic } from "./server.ts";

const datapoints = 1000;
const connector = "bench";
const pacedRate = 40_000;
const mosquittoName = "Mosquitto";
const day = 86_400_000;

const load = <T>(task: MqttTask): Promise<T> => askChild<T>("./mqtt-load.ts", task);

/** Mosquitto as deploy/mosquitto.conf sets it up, then the built-in broker; QoS 1, 1,000 datapoints, about 80 bytes. */
export async function mqttFigures(bench: Bench): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  if (findService("mosquitto") === undefined)
    console.error("Mosquitto is not installed: its figures are left out.");
  else figures.push(...(await externalFigures(bench)));
  figures.push(...(await embeddedFigures(bench)));
  return figures;
}

interface Setting {
  readonly server: BenchServer;
  /** Of the broker. */
  readonly port: number;
  readonly ids: readonly number[];
}

async function externalFigures(bench: Bench): Promise<readonly Figure[]> {
  await using mosquitto = await startMosquitto();
  const floor = await brokerFloor(mosquitto, bench.quick);
  await using server = await BenchServer.start(bench, {
    MQTT_BROKER_HOST: "127.0.0.1",
    MQTT_BROKER_PORT: String(mosquitto.port),
  });
  const ids = await server.addDatapoints(connector, datapoints);
  const setting = { server, port: mosquitto.port, ids };
  const figures = await settingFigures(mosquittoName, setting, bench.quick, floor);
  return figures;
}

async function embeddedFigures(bench: Bench): Promise<readonly Figure[]> {
  const port = await freePort();
  await using server = await BenchServer.start(bench, { BUSBAR_MQTT_PORT: String(port) });
  const ids = await server.addDatapoints(connector, datapoints);
  const figures = await settingFigures("built-in broker", { server, port, ids }, bench.quick);
  return figures;
}

async function settingFigures(
  broker: string,
  setting: Setting,
  quick: boolean,
  floor?: Floor,
): Promise<readonly Figure[]> {
  const seriesFrom = (month: number, step = 1000): MessageSeries => ({
    connector,
    ids: setting.ids,
    firstTime: Date.UTC(2026, month, 1),
    step,
  });
  const most = await fastest(setting, seriesFrom(0), quick ? 100_000 : 400_000);
  const paced = await pacedFigures(broker, setting, seriesFrom(1), quick ? 5 : 30);
  const latency = await load<LatencyResult>({
    ...{ kind: "latency", port: setting.port, rate: 1000, every: 20, count: quick ? 4_000 : 12_000 },
    series: { ...seriesFrom(2, 0), ids: setting.ids },
    httpPort: setting.server.port,
    authorization: basic,
  });
  return [
    {
      name: `${broker}: most messages/s, stored`,
      value: most,
      unit: "messages/s",
      ...(floor === undefined ? {} : { floor }),
    },
    ...paced,
    {
      name: `${broker}: publish to readable at 1,000/s, median of ${latency.samples}`,
      value: latency.median,
      unit: "ms",
      target: below(5),
    },
    { name: `${broker}: publish to readable at 1,000/s, p99`, value: latency.p99, unit: "ms" },
  ];
}

/** Messages a second from the first one to all of them in the store. */
async function fastest(setting: Setting, series: MessageSeries, count: number): Promise<number> {
  const stored = await storedSince(setting.server);
  const { startedAt } = await load<FloodResult>({ kind: "flood", port: setting.port, count, series });
  await until("the messages in the store", async () => (await stored()) >= count, 60_000);
  return count / ((performance.timeOrigin + performance.now() - startedAt) / 1000);
}

async function pacedFigures(
  broker: string,
  setting: Setting,
  series: MessageSeries,
  seconds: number,
): Promise<readonly Figure[]> {
  const { server, port } = setting;
  const count = pacedRate * seconds;
  await server.loopDelay();
  const cpu = await server.metric("process_cpu_seconds_total");
  const stored = await storedSince(server);
  const result = await load<FloodResult>({ kind: "flood", port, count, rate: pacedRate, series });
  await until("the messages in the store", async () => (await stored()) >= count, 60_000);
  const lag = performance.timeOrigin + performance.now() - result.startedAt - result.seconds * 1000;
  const delay = await server.loopDelay();
  const used = (await server.metric("process_cpu_seconds_total")) - cpu;
  const memory = (await server.metric("process_resident_memory_bytes")) / 2 ** 20;
  const readable = await countValues(setting, series, count);
  const name = `${broker}: ${pacedRate.toLocaleString("en")}/s for ${seconds} s`;
  return [
    // The pace itself is kept to a thousandth only.
    {
      name: `${name}, rate kept`,
      value: count / result.seconds,
      unit: "messages/s",
      ...(broker === mosquittoName ? { target: atLeast(pacedRate * 0.995) } : {}),
    },
    { name: `${name}, lost`, value: count - readable, unit: "messages", target: below(1) },
    { name: `${name}, last one stored after the last sent`, value: lag, unit: "ms" },
    { name: `${name}, event loop delay p99.9`, value: delay.p999, unit: "ms" },
    { name: `${name}, processor time of the server`, value: used / result.seconds, unit: "cores" },
    { name: `${name}, resident memory`, value: memory, unit: "MB" },
  ];
}

async function storedSince(server: BenchServer): Promise<() => Promise<number>> {
  const points = () => server.metric("busbar_timeseries_points_total");
  const before = await points();
  return async () => (await points()) - before;
}

/** Reads back what was published and counts it. */
async function countValues({ server, ids }: Setting, series: MessageSeries, count: number): Promise<number> {
  const from = series.firstTime;
  const query = `timestamp__gte=${from}&timestamp__lt=${from + 10 * day}&values=native`;
  let readable = 0;
  for (const id of ids) {
    const values = await server.json<readonly unknown[]>("GET", `/datapoint/${id}/value/?${query}`);
    readable += values.length;
  }
  if (readable > count) throw new Error(`${readable} values where ${count} were published`);
  return readable;
}

/** What the broker passes from one bare client to another. */
async function brokerFloor(mosquitto: Mosquitto, quick: boolean): Promise<Floor> {
  const count = quick ? 100_000 : 300_000;
  const { port } = mosquitto;
  await using subscriber = startChild("./mqtt-load.ts", {
    kind: "subscribe",
    port,
    count,
  } satisfies MqttTask);
  await subscriber.next();
  const series = {
    connector: "floor",
    ids: Array.from({ length: 100 }, (_, id) => id),
    firstTime: 0,
    step: 1000,
  };
  const [{ startedAt }, ended] = await Promise.all([
    load<FloodResult>({ kind: "flood", port, count, series }),
    subscriber.next(),
  ]);
  const { endedAt } = ended as { readonly endedAt: number };
  return { name: "bare subscriber", value: count / ((endedAt - startedAt) / 1000) };
}
