import type { Kernel } from "../kernel.ts";
import type { HealthCheck } from "./health.ts";

/** Registers what `/health` tells of the kernel's parts. */
export function watchParts(kernel: Kernel): void {
  const { health, database, timeseries } = kernel;
  health.register("database", async () => {
    await database.ping();
    return { status: "ok", detail: database.description };
  });
  health.register("mqtt", () => mqttCheck(kernel.mqtt.status));
  health.register("store", () => {
    const { chunkErrors, tailPoints } = timeseries.stats();
    return chunkErrors > 0
      ? { status: "warn", detail: `${chunkErrors} damaged chunks were skipped; see the log for their keys` }
      : { status: "ok", detail: `${tailPoints} points wait for compaction` };
  });
}

/** A broker that is away is a warning: reads go on, and readiness must not flap with it. */
function mqttCheck(status: Kernel["mqtt"]["status"]): HealthCheck {
  if (status.kind === "off") return { status: "ok", detail: "off" };
  if (!status.connected)
    return { status: "warn", detail: `not connected to ${status.address}: ${status.reason ?? "no answer"}` };
  const dropped = status.brokerDropped ?? 0;
  return dropped > 0
    ? {
        status: "warn",
        detail: `the broker dropped ${dropped} messages since it started; set max_queued_messages 0 (see deploy/mosquitto.conf)`,
      }
    : { status: "ok", detail: `connected to ${status.address}` };
}
