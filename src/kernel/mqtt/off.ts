import { Problem } from "../errors.ts";
import type { Clock } from "../time.ts";
import type { LinkStatus, MqttLink } from "./link.ts";

/** No broker at all: BUSBAR_MQTT_PORT=0 and no MQTT_BROKER_HOST. Nothing arrives; each publication is refused. */
export function createOffLink({ clock }: { readonly clock: Clock }): MqttLink {
  const status: LinkStatus = {
    kind: "off",
    connected: false,
    address: "off",
    since: clock.now(),
    reason: "MQTT is switched off: BUSBAR_MQTT_PORT is 0 and MQTT_BROKER_HOST is not set.",
  };
  return {
    status,
    setSubscriptions: () => {},
    start: () => Promise.resolve(),
    publish: () => Promise.reject(new Problem("broker-unavailable", { detail: status.reason ?? "" })),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
