import { freePort } from "../test/services/service.ts";
import { askChild } from "./child.ts";
import { below, type Figure } from "./figures.ts";
import type { LiveResult, LiveTask } from "./live-load.ts";
import { type Bench, BenchServer, basic } from "./server.ts";

const subscribers = 1000;
const datapoints = 1000;
const rate = 1000;

/** 1,000 subscribers at 1,000 messages a second from MQTT: everyone gets everything, and each gets its own datapoint. */
export async function liveFigures(bench: Bench): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const each of ["one", "all"] as const) figures.push(...(await measure(bench, each)));
  return figures;
}

async function measure(bench: Bench, each: LiveTask["each"]): Promise<readonly Figure[]> {
  const mqttPort = await freePort();
  await using server = await BenchServer.start(bench, {
    BUSBAR_MQTT_PORT: String(mqttPort),
    BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT: String(subscribers),
  });
  const ids = await server.addDatapoints("site", datapoints);
  await server.loopDelay();
  const cpuBefore = await server.metric("process_cpu_seconds_total");
  const began = performance.now();
  const task: LiveTask = {
    port: server.port,
    mqttPort,
    authorization: basic,
    connector: "site",
    ids,
    subscribers,
    each,
    rate,
    seconds: bench.quick ? 5 : 20,
    every: each === "all" ? 20 : 1,
  };
  const result = await askChild<LiveResult>("./live-load.ts", task);
  const cpu = (await server.metric("process_cpu_seconds_total")) - cpuBefore;
  const seconds = (performance.now() - began) / 1000;
  const loop = await server.loopDelay();
  const memory = (await server.metric("process_resident_memory_bytes")) / 2 ** 20;
  const what = each === "all" ? "1,000 subscribers of 1,000 messages/s" : "1,000 subscribers of one each";
  const lost = result.missing + result.different;
  return [
    { name: `${what}: delivery, median`, value: result.p50, unit: "ms" },
    { name: `${what}: p99`, value: result.p99, unit: "ms", target: below(250) },
    { name: `${what}: p99.9`, value: result.p999, unit: "ms" },
    { name: `${what}: events lost or doubled`, value: lost, unit: "", met: lost === 0 },
    { name: `${what}: frames`, value: result.frames / task.seconds, unit: "/s" },
    { name: `${what}: event loop p99`, value: loop.p99, unit: "ms" },
    { name: `${what}: processor of the server`, value: (100 * cpu) / seconds, unit: "%" },
    { name: `${what}: processor of the load`, value: 100 * result.cpu, unit: "%" },
    { name: `${what}: memory of the server`, value: memory, unit: "MB" },
  ];
}
