import { Flood } from "../test/mqtt/flood.ts";
import { freePort } from "../test/services/service.ts";
import { until } from "../test/until.ts";
import { alignedFigures } from "./aligned.ts";
import { askChild, startChild } from "./child.ts";
import { below, type Figure, type Floor, median } from "./figures.ts";
import type { HttpRequest, HttpTask, RateResult, TimedRequest, TimedResult } from "./http-load.ts";
import { type Bench, BenchServer, basic } from "./server.ts";

const dayValues = 8640;
const day = 86_400_000;
const firstDay = Date.UTC(2026, 0, 1);
const authorization = { authorization: basic };

const load = <T>(task: HttpTask): Promise<T> => askChild<T>("./http-load.ts", task);
const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Single requests against the server, then rates beside bare Fastify and bare node:http. */
export async function httpFigures(bench: Bench): Promise<readonly Figure[]> {
  return [...(await serverFigures(bench)), ...(await alignedFigures(bench))];
}

async function serverFigures(bench: Bench): Promise<readonly Figure[]> {
  const { quick } = bench;
  const mqttPort = await freePort();
  await using server = await BenchServer.start(bench, { BUSBAR_MQTT_PORT: String(mqttPort) });
  const small = await server.addDatapoints("small", 1000);
  const figures = [...(await historyFigures(server, small, quick))];
  await publishOnce(server, mqttPort, "small", small);
  figures.push(await getFigure(server, "last_value of 1,000 datapoints", "/datapoint/last_value/", quick));
  const large = await server.addDatapoints("large", 9000);
  await publishOnce(server, mqttPort, "large", large);
  figures.push(await getFigure(server, "last_value of 10,000 datapoints", "/datapoint/last_value/", quick));
  figures.push(await getFigure(server, "GET /datapoint/ of 10,000", "/datapoint/", quick));
  figures.push(...(await rateFigures(server, small[0] ?? 0, quick)));
  const memory = (await server.metric("process_resident_memory_bytes")) / 2 ** 20;
  figures.push({ name: "resident memory of the server afterwards", value: memory, unit: "MB" });
  return figures;
}

async function historyFigures(
  server: BenchServer,
  ids: readonly number[],
  quick: boolean,
): Promise<readonly Figure[]> {
  const repeats = quick ? 12 : 40;
  const timed = (requests: readonly TimedRequest[]) =>
    load<TimedResult>({ kind: "timed", port: server.port, requests });
  const put = await timed(
    times(repeats, (index) => ({
      method: "PUT",
      path: `/datapoint/${ids[index % 10]}/value/`,
      headers: authorization,
      day: { from: firstDay + Math.floor(index / 10) * day, count: dayValues },
    })),
  );
  const range = `timestamp__gte=${firstDay}&timestamp__lt=${firstDay + day}`;
  const get = (query: string) =>
    timed(
      times(repeats, (index) => ({
        method: "GET",
        path: `/datapoint/${ids[index % 10]}/value/?${range}${query}`,
        headers: authorization,
      })),
    );
  const list = await get("");
  const means = await get("&interval=1%20hour");
  return [
    {
      name: "bulk PUT of 8,640 values",
      value: put.median,
      unit: "ms",
      target: below(60),
      floor: parseFloor(),
    },
    { name: "bulk PUT of 8,640 values, p99", value: put.p99, unit: "ms" },
    {
      name: "GET of a day of 8,640 values",
      value: list.median,
      unit: "ms",
      target: below(15),
      floor: stringifyFloor(),
    },
    { name: "GET of a day of 8,640 values, p99", value: list.p99, unit: "ms" },
    { name: "GET of that day as hourly means", value: means.median, unit: "ms" },
  ];
}

async function getFigure(server: BenchServer, name: string, path: string, quick: boolean): Promise<Figure> {
  const request = { method: "GET", path, headers: authorization };
  const requests = times(quick ? 10 : 40, () => request);
  const result = await load<TimedResult>({ kind: "timed", port: server.port, requests });
  return { name: `${name} (${Math.round(result.bytes / 1000)} kB)`, value: result.median, unit: "ms" };
}

async function rateFigures(server: BenchServer, id: number, quick: boolean): Promise<readonly Figure[]> {
  const seconds = quick ? 3 : 6;
  const rate = async (port: number, request: HttpRequest): Promise<number> => {
    const task = { kind: "rate", port, request, connections: 32, seconds } as const;
    return (await load<RateResult>(task)).perSecond;
  };
  const bare = async (kind: "node" | "fastify"): Promise<number> => {
    await using child = startChild("./bare-http.ts", kind);
    const { port } = (await child.next()) as { readonly port: number };
    // Awaited here: the child ends with this block.
    return await rate(port, { method: "GET", path: "/livez" });
  };
  const livez = { method: "GET", path: "/livez" };
  const one = `/datapoint/${id}/`;
  const fastify = { name: "bare Fastify", value: await bare("fastify") };
  const node = { name: "bare node:http", value: await bare("node") };
  const figure = async (name: string, request: HttpRequest, floor = fastify): Promise<Figure> => ({
    name,
    value: await rate(server.port, request),
    unit: "requests/s",
    floor,
  });
  return [
    await figure("GET /livez", livez),
    await figure("GET /livez", livez, node),
    await figure("GET /datapoint/{id}/, Basic", { ...livez, path: one, headers: authorization }),
  ];
}

/** A value for each of them, through the built-in broker. */
async function publishOnce(
  server: BenchServer,
  port: number,
  connector: string,
  ids: readonly number[],
): Promise<void> {
  const before = await server.metric("busbar_timeseries_points_total");
  const timestamp = Date.now() - 1000;
  const messageOf = (index: number) => ({
    topic: `${connector}/messages/${ids[index]}/value`,
    payload: `{"value": ${index / 100}, "timestamp": ${timestamp}}`,
  });
  await new Flood({ port, count: ids.length, messageOf }).run();
  await until(
    "the values in the store",
    async () => (await server.metric("busbar_timeseries_points_total")) >= before + ids.length,
  );
}

const dayOf = () =>
  times(dayValues, (index) => ({ value: String(index / 100), timestamp: firstDay + index * 10_000 }));

function timeOf(work: () => unknown): number {
  return median(
    times(20, () => {
      const from = performance.now();
      work();
      return performance.now() - from;
    }),
  );
}

function parseFloor(): Floor {
  const text = JSON.stringify(dayOf());
  return { name: "JSON.parse of it", value: timeOf(() => JSON.parse(text)) };
}

function stringifyFloor(): Floor {
  const values = dayOf();
  return { name: "JSON.stringify of it", value: timeOf(() => JSON.stringify(values)) };
}
