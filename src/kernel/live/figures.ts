import { Counter, Gauge } from "prom-client";
import type { Metrics } from "../observe/metrics.ts";
import type { EndReason, ResetReason, Wire } from "./transport.ts";

/** Plain fields, since frames add to them; the registry reads them when it is asked. */
export class LiveFigures {
  readonly connections: Record<Wire["name"], number> = { websocket: 0, sse: 0 };
  readonly ended = new Map<EndReason, number>();
  readonly resets = new Map<ResetReason, number>();
  /** Points that somebody listened to. */
  events = 0;
  /** Events times those that got them. */
  deliveries = 0;

  constructor(metrics: Metrics, keptBytes: () => number) {
    const figures = this;
    const registers = [metrics];
    new Gauge({
      name: "busbar_live_connections",
      help: "Open connections of live push",
      labelNames: ["protocol"],
      registers,
      collect() {
        for (const [protocol, count] of Object.entries(figures.connections)) this.set({ protocol }, count);
      },
    });
    counted(metrics, "busbar_live_dropped_total", "Connections the server has ended", "reason", this.ended);
    counted(
      metrics,
      "busbar_live_resets_total",
      "Clients told that events are lost to them",
      "reason",
      this.resets,
    );
    new Counter({
      name: "busbar_live_events_total",
      help: "Points that became events",
      registers,
      collect() {
        this.reset();
        this.inc(figures.events);
      },
    });
    new Counter({
      name: "busbar_live_deliveries_total",
      help: "Events handed to connections",
      registers,
      collect() {
        this.reset();
        this.inc(figures.deliveries);
      },
    });
    new Gauge({
      name: "busbar_live_kept_bytes",
      help: "Memory of the rows kept for clients that come back",
      registers,
      collect() {
        this.set(keptBytes());
      },
    });
  }
}

function counted(
  metrics: Metrics,
  name: string,
  help: string,
  label: string,
  counts: ReadonlyMap<string, number>,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [metrics],
    collect() {
      this.reset();
      for (const [value, count] of counts) this.inc({ [label]: value }, count);
    },
  });
}

export function countOne<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
