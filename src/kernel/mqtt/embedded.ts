import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "aedes";
import type { Database } from "../database/engine.ts";
import { messageOf, Problem } from "../errors.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time.ts";
import type { Broker } from "./broker.ts";
import { acceptClient, openBroker } from "./broker-hooks.ts";
import { BrokerState } from "./broker-state.ts";
import { type ClientSession, describeClient, newSession, type Proceed } from "./client-session.ts";
import { LinkFigures } from "./figures.ts";
import { checkTopic, FilterSet } from "./filters.ts";
import { Gate, type GateOptions } from "./gate.ts";
import type { InboundMessage, LinkStatus, MessageHandler, MqttLink, Publication } from "./link.ts";

export interface EmbeddedLinkOptions extends GateOptions {
  readonly host: string;
  /** 0 = any free one; see `port` of the link. */
  readonly port: number;
  /** With the tables of `mqttMigrations`. */
  readonly database: Database;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Messages kept for one session that is away, the oldest go first; default 100,000. */
  readonly queueLimit?: number;
}

export interface EmbeddedLink extends MqttLink {
  /** The port it listens on; 0 before `start`. */
  readonly port: number;
}

const maxClients = 10_000;
const defaultQueueLimit = 100_000;
const finishMs = 3000;

/**
 * The broker inside this process: MQTT 3.1.1, its state in the database. Messages are taken in `authorizePublish`, the only
 * place where aedes waits before it acknowledges.
 * A start rejects with the raw error of `listen` (EADDRINUSE, EACCES) and may be tried again.
 */
export const createEmbeddedLink = (options: EmbeddedLinkOptions): EmbeddedLink => new EmbeddedBroker(options);

interface Handlers {
  readonly onMessage: MessageHandler;
  readonly onReady: () => void;
}

class EmbeddedBroker implements EmbeddedLink {
  readonly #options: EmbeddedLinkOptions;
  readonly #gate: Gate;
  readonly #figures: LinkFigures;
  readonly #state: BrokerState;
  readonly #sessions = new Set<ClientSession>();
  /** For what no connected client sent: replayed retained messages, wills of an earlier run. */
  readonly #ownSession: ClientSession;
  readonly #sockets = new Set<Socket>();
  #wanted = new FilterSet(new Set());
  #broker: Broker | undefined;
  #server: Server | undefined;
  #handlers: Handlers | undefined;
  #listening = false;
  #stopping = false;
  #since: number;
  port = 0;

  constructor(options: EmbeddedLinkOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    this.#gate = new Gate(options);
    this.#figures = new LinkFigures(options.metrics, {
      held: () => [...this.#sessions].reduce((sum, session) => sum + session.acks.held, 0),
      connected: () => this.#listening,
      clients: () => this.#sessions.size,
      refused: () => this.#gate.refused,
    });
    this.#ownSession = newSession(null, undefined, (error) => this.#rejected(error, null));
    this.#state = new BrokerState({
      database: options.database,
      log: options.log,
      queueLimit: options.queueLimit ?? defaultQueueLimit,
      onDropped: () => {
        this.#figures.queueDropped += 1;
      },
      maySubscribe: (client, filter) => this.#gate.mayRead(client as Client, filter),
    });
  }

  get status(): LinkStatus {
    const { host, port } = this.#options;
    return {
      kind: "embedded",
      connected: this.#listening,
      address: `mqtt://${host.includes(":") ? `[${host}]` : host}:${this.port || port}`,
      since: this.#since,
      ...(this.#listening ? {} : { reason: "The embedded broker does not listen." }),
    };
  }

  setSubscriptions(filters: ReadonlySet<string>): void {
    const added = filters.difference(this.#wanted.filters);
    this.#wanted = new FilterSet(new Set(filters));
    if (this.#listening) this.#replay(added);
  }

  async start(handlers: Handlers): Promise<void> {
    this.#handlers = handlers;
    const broker = this.#broker ?? (await this.#openBroker());
    const server = createServer({ noDelay: true }, (socket) =>
      acceptClient(broker, socket, this.#options.log),
    );
    server.maxConnections = maxClients;
    server.on("drop", () => this.#options.log.warn({ maxClients }, "MQTT client refused: too many clients"));
    this.port = await listen(server, this.#options.port, this.#options.host);
    this.#server = server;
    this.#listening = true;
    this.#since = this.#options.clock.now();
    this.#replay(this.#wanted.filters);
    handlers.onReady();
  }

  async publish(publication: Publication): Promise<void> {
    checkTopic(publication.topic);
    const broker = this.#broker;
    if (!broker || !this.#listening)
      throw new Problem("broker-unavailable", { detail: "The embedded MQTT broker does not run." });
    const { topic, qos, retain } = publication;
    const payload = Buffer.from(publication.payload);
    await this.#take({ topic, payload, qos, retained: false });
    await broker.submit({ cmd: "publish", topic, payload, qos, retain, dup: false });
    this.#figures.published += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#listening = false;
    this.#server?.close();
    const held = [this.#ownSession, ...this.#sessions].map((session) => session.acks.empty());
    await Promise.race([Promise.all(held), delay(finishMs, undefined, { ref: false })]);
    const broker = this.#broker;
    if (broker) await new Promise<void>((resolve) => broker.close(resolve));
    // aedes knows only those that have said CONNECT.
    for (const socket of this.#sockets) socket.destroy();
    await this.#state.destroy();
  }

  async #openBroker(): Promise<Broker> {
    const broker = await openBroker({
      gate: this.#gate,
      state: this.#state,
      sessions: this.#sessions,
      ownSession: this.#ownSession,
      log: this.#options.log,
      take: (message) => this.#take(message),
      rejected: (error, client) => this.#rejected(error, client),
      stopping: () => this.#stopping,
    });
    this.#broker = broker;
    return broker;
  }

  #take(message: InboundMessage): Promise<void> | undefined {
    if (!this.#wanted.matches(message.topic)) return undefined;
    this.#figures.received += 1;
    try {
      return this.#handlers?.onMessage(message);
    } catch (error) {
      this.#figures.handlerThrows += 1;
      this.#options.log.error(
        { topic: message.topic, error: messageOf(error) },
        "an MQTT message could not be handled",
      );
      return undefined;
    }
  }

  /** Retained messages of filters that are new: what a subscription brings with any other broker. */
  #replay(filters: ReadonlySet<string>): void {
    if (filters.size === 0) return;
    setImmediate(() => {
      for (const filter of filters)
        for (const { topic, payload, qos } of this.#state.retainedMatching(filter))
          this.#ownSession.acks.add(
            nothing,
            this.#take({ topic, payload: payload as Buffer, qos, retained: true }),
          );
    });
  }

  #rejected(error: unknown, client: Client | null): void {
    this.#figures.handlerRejections += 1;
    this.#options.log.error(
      { ...describeClient(client, client ? this.#gate.session(client) : undefined), error: messageOf(error) },
      "MQTT messages could not be stored; their sender is disconnected, so that it sends them again",
    );
  }
}

const nothing: Proceed = () => {};

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
