import { Counter, Gauge } from "prom-client";
import type { Metrics } from "../observe/metrics.ts";

/** What is asked when the registry is. */
interface Now {
  held(): number;
  connected(): boolean;
  /** Embedded broker only, like the next. */
  clients?(): number;
  refused?(): number;
}

/**
 * The link's figures as plain fields, since the hot path adds to them for each message; the registry reads them when
 * it is asked.
 */
export class LinkFigures {
  received = 0;
  published = 0;
  handlerRejections = 0;
  handlerThrows = 0;
  reconnects = 0;
  queueDropped = 0;

  constructor(metrics: Metrics, now: Now) {
    const registers = [metrics];
    const figures = this;
    const counter = (name: string, help: string, read: () => number) =>
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    new Counter({
      name: "busbar_mqtt_messages_total",
      help: "MQTT messages handed to Busbar (in) and published by it (out)",
      labelNames: ["direction"],
      registers,
      collect() {
        this.reset();
        this.inc({ direction: "in" }, figures.received);
        this.inc({ direction: "out" }, figures.published);
      },
    });
    new Counter({
      name: "busbar_mqtt_handler_failures_total",
      help: "Messages not taken: rejected ones are delivered again, thrown ones were acknowledged",
      labelNames: ["kind"],
      registers,
      collect() {
        this.reset();
        this.inc({ kind: "rejected" }, figures.handlerRejections);
        this.inc({ kind: "thrown" }, figures.handlerThrows);
      },
    });
    counter("busbar_mqtt_reconnects_total", "Connections made after the first", () => this.reconnects);
    gauge("busbar_mqtt_connected", "1 while the broker is reached", () => Number(now.connected()));
    gauge("busbar_mqtt_held_acknowledgements", "Messages that wait for their commit", now.held);
    if (now.refused)
      counter(
        "busbar_mqtt_refused_total",
        "Connections, publications and subscriptions refused",
        now.refused,
      );
    if (now.clients) {
      gauge("busbar_mqtt_clients", "Clients connected to the embedded broker", now.clients);
      counter(
        "busbar_mqtt_queue_dropped_total",
        "Messages dropped because the queue of an absent client was full",
        () => this.queueDropped,
      );
    }
  }
}

/** Only the external broker tells it, and not every one does. */
export function brokerDroppedGauge(metrics: Metrics, read: () => number | undefined): void {
  new Gauge({
    name: "busbar_mqtt_broker_dropped_messages",
    help: "Messages the broker dropped since it started ($SYS/broker/publish/messages/dropped)",
    registers: [metrics],
    collect() {
      const dropped = read();
      if (dropped !== undefined) this.set(dropped);
    },
  });
}
