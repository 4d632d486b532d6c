import { collectDefaultMetrics, Registry } from "prom-client";

/** The Prometheus registry of one server (not the library's global one: tests run several servers in a process). */
export type Metrics = Registry;

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
