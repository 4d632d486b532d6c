import { may, type Principal } from "../identity/principal.ts";

/**
 * Who may do what on the embedded broker. `undefined` is a client which the broker let in without a name, from
 * loopback or because BUSBAR_MQTT_ANONYMOUS opens it: it may do everything. A client with a name has the topics below that
 * name; superusers and holders of a right on `mqtt` (all of it, or one first level) have more.
 */

const firstLevel = (topic: string): string => topic.split("/", 1)[0] ?? "";

/** Nobody publishes below `$`: those topics are the broker's own. */
export function mayPublish(principal: Principal | undefined, topic: string): boolean {
  if (topic.startsWith("$")) return false;
  if (principal === undefined) return true;
  const name = firstLevel(topic);
  return name === principal.name || may(principal, "change", "mqtt", name);
}

export function maySubscribe(principal: Principal | undefined, filter: string): boolean {
  if (principal === undefined) return true;
  const name = firstLevel(filter);
  if (name === "+" || name === "#" || name.startsWith("$")) return may(principal, "view", "mqtt");
  return name === principal.name || may(principal, "view", "mqtt", name);
}

/** 127.0.0.0/8 and ::1, also as an IPv4 address mapped into IPv6. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:/i, "");
  return plain === "::1" || /^127\.\d+\.\d+\.\d+$/.test(plain);
}
