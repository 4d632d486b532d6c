import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { AedesPublishPacket, Client, PublishPacket, Subscription } from "aedes";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import { Broker } from "./broker.ts";
import type { BrokerState } from "./broker-state.ts";
import {
  type ClientSession,
  describeClient,
  limitPacketSize,
  newSession,
  type Proceed,
} from "./client-session.ts";
import type { Gate } from "./gate.ts";
import type { InboundMessage } from "./link.ts";

const maxPacketBytes = 8 * 1024 * 1024;
/** What may wait in memory for a client that does not read; then it is disconnected. */
const maxUnsentBytes = 16 * 1024 * 1024;
const connectTimeout = 10_000;
const drainTimeout = 30_000;

export interface BrokerDependencies {
  readonly gate: Gate;
  readonly state: BrokerState;
  /** Of the connected clients; kept here. */
  readonly sessions: Set<ClientSession>;
  /** For messages whose sender is not connected. */
  readonly ownSession: ClientSession;
  readonly log: Log;
  /** Hands a message to its handler, if anybody wants it. */
  readonly take: (message: InboundMessage) => Promise<void> | undefined;
  readonly rejected: (error: unknown, client: Client | null) => void;
  readonly stopping: () => boolean;
}

/** Loads the state and hooks us into aedes. */
export async function openBroker(dependencies: BrokerDependencies): Promise<Broker> {
  const { gate, state } = dependencies;
  const broker = new Broker(
    {
      connectTimeout,
      drainTimeout,
      preConnect: (client, packet, done) => {
        gate.announce(client, packet);
        done(null, true);
      },
      authenticate: (client, name, password, done) => {
        gate.admit(client, name, password).then(
          (principal) => {
            enter(dependencies, client, newSession(client, principal, dependencies.rejected));
            done(null, true);
          },
          (error) => done(error, false),
        );
      },
      authorizePublish: (client, packet, done) =>
        authorizePublish(dependencies, broker, client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const granted = gate.maySubscribe(client, subscription);
        if (granted) done(null, subscription);
        else revoke(dependencies, client, subscription, done);
      },
      authorizeForward: (client, packet) => forward(gate, client, packet),
    },
    state,
  );
  logTrouble(broker, dependencies);
  await broker.listen();
  return broker;
}

function logTrouble(broker: Broker, { gate, log }: BrokerDependencies): void {
  broker.on("clientError", (client, error) =>
    log.debug({ ...describeClient(client, gate.session(client)), error: error.message }, "MQTT client lost"),
  );
  broker.on("connectionError", (_client, error) =>
    log.debug({ error: error.message }, "MQTT connection failed"),
  );
  const events: EventEmitter = broker;
  events.on("error", (error: unknown) =>
    log.error({ error: messageOf(error) }, "the embedded broker failed"),
  );
}

/** Takes a connection, within the limits. */
export function acceptClient(broker: Broker, socket: Socket, log: Log): void {
  const client = broker.handle(socket);
  limitPacketSize(client, maxPacketBytes, (bytes) => {
    log.warn(
      { clientId: client.id, address: socket.remoteAddress, bytes, maxPacketBytes },
      "MQTT client disconnected: packet too large",
    );
    client.close();
  });
}

function enter({ gate, sessions }: BrokerDependencies, client: Client, session: ClientSession): void {
  gate.enter(client, session);
  if (client.conn.destroyed) return;
  sessions.add(session);
  // What is held goes on: a QoS 0 message of a client that left at once still reaches its subscribers.
  client.conn.once("close", () => sessions.delete(session));
}

function authorizePublish(
  { gate, ownSession, take, stopping }: BrokerDependencies,
  broker: Broker,
  client: Client | null,
  packet: PublishPacket,
  proceed: Proceed,
): void {
  if (stopping()) {
    proceed(new Error("the server is shutting down"));
    return;
  }
  const refusal = gate.publishRefusal(client, packet.topic);
  if (refusal) {
    proceed(refusal);
    return;
  }
  const { topic, qos } = packet;
  const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
  // Live, whatever its RETAIN flag says: the flag asks the broker to keep it.
  const taken = take({ topic, payload, qos, retained: false });
  // At QoS 1 aedes acknowledges before it publishes, at QoS 2 after.
  const stored = qos === 1 ? broker.prepare(packet) : undefined;
  const session = (client ? gate.session(client) : undefined) ?? ownSession;
  session.acks.add(proceed, bothOf(taken, stored));
}

/** One promise per pair: many messages share both the handler's commit and the broker's. */
let lastPair: readonly [Promise<void>, Promise<void>, Promise<void>] | undefined;

function bothOf(
  first: Promise<void> | undefined,
  second: Promise<void> | undefined,
): Promise<void> | undefined {
  if (!first || !second) return first ?? second;
  if (lastPair?.[0] === first && lastPair[1] === second) return lastPair[2];
  const both = Promise.all([first, second]).then(() => {});
  lastPair = [first, second, both];
  return both;
}

function revoke(
  { state, log }: BrokerDependencies,
  client: Client,
  { topic }: Subscription,
  done: (error: Error | null, subscription: null) => void,
): void {
  // A session may still have it from before the right was taken away.
  state.removeSubscriptions(client, [topic]).then(
    () => done(null, null),
    (error: unknown) => {
      log.error({ error: messageOf(error) }, "a subscription could not be removed");
      done(null, null);
    },
  );
}

/** Messages queued for a session go to nobody who may not read them: its client id may be used with another name. */
function forward(gate: Gate, client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
  if (Number(Reflect.get(client.conn, "writableLength")) > maxUnsentBytes) {
    client.close();
    return null;
  }
  return gate.mayRead(client, packet.topic) ? packet : null;
}
