import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** Whether the address is one of a proxy whose forwarded headers are believed. */
export type Trust = (address: string | undefined) => boolean;

/** @param ranges addresses or CIDR ranges, or the word `loopback` */
export function trustOf(ranges: readonly string[]): Trust {
  const list = new BlockList();
  for (const range of ranges.flatMap((entry) => (entry === "loopback" ? ["127.0.0.0/8", "::1"] : [entry]))) {
    const [address = "", bits] = range.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => {
    if (address === undefined) return false;
    const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 6 ? "ipv6" : "ipv4");
  };
}

/**
 * Fastify knows the X-Forwarded headers only: says what the standard `Forwarded` (RFC 7239) says in them,
 * when the peer is trusted and did not send them itself.
 */
export function translateForwarded(request: IncomingMessage, trust: Trust): void {
  const { headers } = request;
  if (headers.forwarded === undefined || !trust(request.socket.remoteAddress)) return;
  const hops = headers.forwarded.split(",").map(parseHop);
  const addresses = hops.flatMap((hop) => hop.get("for") ?? []).map(addressOf);
  const last = hops.at(-1);
  if (addresses.length > 0) headers["x-forwarded-for"] ??= addresses.join(", ");
  const host = last?.get("host");
  const protocol = last?.get("proto");
  if (host) headers["x-forwarded-host"] ??= host;
  if (protocol) headers["x-forwarded-proto"] ??= protocol;
}

function parseHop(hop: string): ReadonlyMap<string, string> {
  const pairs = hop.split(";").map((pair): [string, string] => {
    const at = pair.indexOf("=");
    const value = pair.slice(at + 1).trim();
    return [pair.slice(0, Math.max(at, 0)).trim().toLowerCase(), value.replace(/^"(.*)"$/, "$1")];
  });
  return new Map(pairs);
}

/** `[2001:db8::1]:4711` and `192.0.2.1:4711` without port and brackets. */
const addressOf = (node: string): string =>
  /^\[(.+)\](?::\d+)?$/.exec(node)?.[1] ?? node.replace(/^([\d.]+):\d+$/, "$1");
