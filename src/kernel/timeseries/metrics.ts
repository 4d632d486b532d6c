import { Counter, Gauge } from "prom-client";
import type { Metrics } from "../observe/metrics.ts";
import type { StoreStats, TimeSeries } from "./store.ts";

const gauges: readonly (readonly [string, string, keyof StoreStats])[] = [
  ["busbar_timeseries_tail_points", "Points in memory that are not in chunks yet", "tailPoints"],
  ["busbar_timeseries_tail_bytes", "Memory taken by them, estimated", "tailBytes"],
];

const counters: readonly (readonly [string, string, keyof StoreStats])[] = [
  ["busbar_timeseries_commits_total", "Commits of points", "commits"],
  ["busbar_timeseries_points_total", "Points accepted", "pointsAppended"],
  [
    "busbar_timeseries_expired_points_total",
    "Points refused since they were older than their stream keeps",
    "pointsExpired",
  ],
  ["busbar_timeseries_compactions_total", "Compactions that moved the tail into chunks", "compactions"],
  [
    "busbar_timeseries_takeovers_total",
    "Compactions taken over from another node that died or hung",
    "takeovers",
  ],
  ["busbar_timeseries_corrupt_total", "Damaged chunks and log rows met", "chunkErrors"],
];

export function registerMetrics(metrics: Metrics, store: TimeSeries): void {
  for (const [name, help, figure] of gauges)
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(store.stats()[figure]);
      },
    });
  for (const [name, help, figure] of counters)
    new Counter({
      name,
      help,
      registers: [metrics],
      collect() {
        this.reset();
        this.inc(store.stats()[figure]);
      },
    });
}
