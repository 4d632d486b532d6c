import type { Client } from "aedes";
import type { Principal } from "../identity/principal.ts";
import { OrderedAcks } from "./acks.ts";

/** aedes goes on with a message when this is called; with an error it closes the connection. */
export type Proceed = (error?: Error | null) => void;

/** One connected client of the embedded broker. */
export interface ClientSession {
  /** Undefined: no name given. */
  readonly principal: Principal | undefined;
  /** Messages on their way in, answered in the order of arrival. */
  readonly acks: OrderedAcks<Proceed>;
}

/** `rejected` runs when a message could not be stored: the connection is closed, so that the client sends it again. */
export function newSession(
  client: Client | null,
  principal: Principal | undefined,
  rejected: (error: unknown, client: Client | null) => void,
): ClientSession {
  const acks = new OrderedAcks<Proceed>(
    (ready) => {
      for (const proceed of ready) proceed(null);
    },
    (error) => {
      rejected(error, client);
      acks.clear();
      client?.close();
    },
  );
  return { principal, acks };
}

/** Who a client is, for a log line. */
export const describeClient = (client: Client | null, session: ClientSession | undefined) => ({
  clientId: client?.id,
  name: session?.principal?.name ?? "(no name)",
  address: client ? addressOf(client) : undefined,
});

export function addressOf(client: Client): string {
  const address: unknown = Reflect.get(client.conn, "remoteAddress");
  return typeof address === "string" ? address : "";
}

/**
 * Closes the connection of a client that announces a larger packet, before it has arrived: aedes has no limit of its own
 * and would collect up to 256 MB. Its parser is private (the version is pinned, and a test sends such a packet).
 */
export function limitPacketSize(client: Client, maxBytes: number, exceeded: (bytes: number) => void): void {
  const parser: unknown = Reflect.get(client, "_parser");
  if (typeof parser !== "object" || parser === null) throw new Error("aedes has changed: no parser");
  const parse = Reflect.get(parser, "parse") as (chunk: Buffer) => number;
  Reflect.set(parser, "parse", (chunk: Buffer) => {
    const rest = Reflect.apply(parse, parser, [chunk]);
    const packet: unknown = Reflect.get(parser, "packet");
    const length = typeof packet === "object" && packet !== null ? Number(Reflect.get(packet, "length")) : 0;
    if (length > maxBytes) exceeded(length);
    return rest;
  });
}
