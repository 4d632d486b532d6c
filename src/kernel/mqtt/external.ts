import { setTimeout as delay } from "node:timers/promises";
import type { IClientOptions } from "mqtt";
import type { MqttConfig } from "../config/config.ts";
import { messageOf, Problem } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time.ts";
import { Connection, isVersionRefusal } from "./connection.ts";
import { brokerDroppedGauge, LinkFigures } from "./figures.ts";
import { checkTopic } from "./filters.ts";
import type { InboundMessage, LinkStatus, MessageHandler, MqttLink, Publication } from "./link.ts";
import { PacketIds } from "./outbox.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface ExternalLinkOptions {
  readonly config: Extract<MqttConfig, { kind: "external" }>;
  /** Fixed over restarts, and unique on the broker: it names the session which keeps messages while we are away. */
  readonly clientId: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** PEM of the authority that signed the broker's certificate; default the well-known ones and NODE_EXTRA_CA_CERTS. */
  readonly ca?: string;
}

/** How long the broker keeps messages for us while we are away, in seconds. */
const sessionExpiryInterval = 7 * 24 * 3600;
/** Unacknowledged messages the broker may have on their way: bounds what is delivered again after a crash. */
const receiveMaximum = 1000;
const connectTimeoutMs = 10_000;
const firstRetryMs = 250;
const lastRetryMs = 10_000;
/** How long `start` waits for the outcome of the first attempt; the attempts go on. */
const startWaitMs = 2000;
const finishMs = 3000;
const droppedTopic = "$SYS/broker/publish/messages/dropped";

/** The link to a broker of the site's own: MQTT 5, or 3.1.1 where the broker speaks no other. */
export const createExternalLink = (options: ExternalLinkOptions): MqttLink => new ExternalLink(options);

interface Handlers {
  readonly onMessage: MessageHandler;
  readonly onReady: () => void;
}

class ExternalLink implements MqttLink {
  readonly #options: ExternalLinkOptions;
  readonly #log: Log;
  readonly #address: string;
  readonly #figures: LinkFigures;
  readonly #subscriptions: Subscriptions;
  readonly #packetIds = new PacketIds();
  readonly #stop = new AbortController();
  #handlers: Handlers | undefined;
  #connection: Connection | undefined;
  #loop: Promise<void> = Promise.resolve();
  #version: 4 | 5 = 5;
  #connected = false;
  #since: number;
  #reason: string | undefined = "Not started yet.";
  #brokerDropped: number | undefined;
  /** Attempts since the last one that came to something. */
  #attempts = 0;
  #everConnected = false;

  constructor(options: ExternalLinkOptions) {
    const { config, metrics, clock } = options;
    this.#options = options;
    this.#log = options.log;
    this.#address = `${config.tls ? "mqtts" : "mqtt"}://${config.host}:${config.port}`;
    this.#since = clock.now();
    this.#subscriptions = new Subscriptions(this.#log);
    this.#figures = new LinkFigures(metrics, {
      held: () => this.#connection?.held ?? 0,
      connected: () => this.#connected,
    });
    brokerDroppedGauge(metrics, () => this.#brokerDropped);
  }

  get status(): LinkStatus {
    return {
      kind: "external",
      connected: this.#connected,
      address: this.#address,
      since: this.#since,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#brokerDropped === undefined ? {} : { brokerDropped: this.#brokerDropped }),
    };
  }

  setSubscriptions(filters: ReadonlySet<string>): void {
    this.#subscriptions.set(filters);
    if (this.#connected) this.#sync();
  }

  async start(handlers: Handlers): Promise<void> {
    this.#handlers = handlers;
    this.#reason = "Connecting.";
    const firstOutcome = Promise.withResolvers<void>();
    this.#loop = this.#run(firstOutcome.resolve).catch((error: unknown) => {
      this.#reason = messageOf(error);
      this.#log.fatal({ error: messageOf(error) }, "the MQTT link has stopped");
    });
    await Promise.race([firstOutcome.promise, this.#loop, delay(startWaitMs, undefined, { ref: false })]);
  }

  async publish(publication: Publication): Promise<void> {
    checkTopic(publication.topic);
    if (!this.#connection || !this.#connected)
      throw new Problem("broker-unavailable", {
        detail: `The MQTT broker ${this.#address} cannot be reached: ${this.#reason ?? "not connected."}`,
      });
    await this.#connection.publish(publication);
    this.#figures.published += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#connection?.finish(finishMs);
    await this.#loop;
  }

  /** Connection after connection, for ever. */
  async #run(firstOutcome: () => void): Promise<void> {
    let unfinished: readonly number[] = [];
    while (!this.#stop.signal.aborted) {
      const began = performance.now();
      const ended = Promise.withResolvers<Error | undefined>();
      const connection = new Connection(this.#clientOptions(), unfinished, {
        message: (message) => this.#take(message),
        rejected: (error) => this.#rejected(error),
        connected: (sessionPresent) => {
          this.#onConnected(connection, sessionPresent);
          firstOutcome();
        },
        closed: (error) => ended.resolve(error),
      });
      this.#connection = connection;
      const error = await ended.promise;
      this.#connection = undefined;
      if (this.#connected) unfinished = connection.unfinished;
      // Held for longer than the longest pause: not one of a series of failures.
      if (this.#connected && performance.now() - began > lastRetryMs) this.#attempts = 0;
      this.#onDisconnected(error);
      firstOutcome();
      if (!this.#fallsBack(error)) await this.#pause();
    }
  }

  #clientOptions(): IClientOptions {
    const { config, clientId, ca } = this.#options;
    return {
      protocol: config.tls ? "mqtts" : "mqtt",
      host: config.host,
      port: config.port,
      protocolVersion: this.#version,
      clientId,
      clean: false,
      connectTimeout: connectTimeoutMs,
      messageIdProvider: this.#packetIds,
      ...(this.#version === 5 ? { properties: { sessionExpiryInterval, receiveMaximum } } : {}),
      ...(config.user === undefined ? {} : { username: config.user }),
      ...(config.password === undefined ? {} : { password: config.password }),
      ...(ca === undefined ? {} : { ca }),
    };
  }

  #onConnected(connection: Connection, sessionPresent: boolean): void {
    this.#connected = true;
    this.#since = this.#options.clock.now();
    this.#reason = undefined;
    if (this.#everConnected) this.#figures.reconnects += 1;
    this.#everConnected = true;
    this.#log.info(
      { address: this.#address, protocol: this.#version, sessionPresent },
      "MQTT broker connected",
    );
    this.#subscriptions.reset(sessionPresent);
    // Whether this one is granted does not matter: not every broker has the topic.
    connection.subscribe([droppedTopic], 0).catch((error: unknown) => {
      this.#log.debug({ error: messageOf(error) }, "no $SYS figures from this broker");
    });
    this.#sync(true);
  }

  #onDisconnected(error: Error | undefined): void {
    const reason = error ? textOf(error) : "The broker closed the connection.";
    if (this.#connected || this.#reason !== reason)
      this.#log[this.#stop.signal.aborted ? "debug" : "warn"](
        { address: this.#address, reason },
        "MQTT broker not connected; trying again",
      );
    if (this.#connected) this.#since = this.#options.clock.now();
    this.#connected = false;
    this.#reason = reason;
  }

  #fallsBack(error: Error | undefined): boolean {
    if (this.#version !== 5 || !isVersionRefusal(error)) return false;
    this.#version = 4;
    this.#log.info({ address: this.#address }, "the broker does not speak MQTT 5; using MQTT 3.1.1");
    return true;
  }

  async #pause(): Promise<void> {
    const longest = Math.min(lastRetryMs, firstRetryMs * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 10);
    // Half of it by chance, so that many clients do not come back at once.
    const pause = longest * (0.5 + Math.random() / 2);
    await delay(pause, undefined, { signal: this.#stop.signal }).catch(() => {
      // Woken up to stop.
    });
  }

  #sync(first = false): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#subscriptions
      .sync(connection)
      .then((done) => {
        if (done && first && this.#connected) this.#handlers?.onReady();
      })
      .catch((error: unknown) => {
        this.#log.error({ error: messageOf(error) }, "what follows a connection failed");
      });
  }

  #take(message: InboundMessage): Promise<void> | undefined {
    if (!this.#subscriptions.wants(message.topic)) {
      this.#takeUnwanted(message);
      return undefined;
    }
    this.#figures.received += 1;
    try {
      return this.#handlers?.onMessage(message);
    } catch (error) {
      this.#figures.handlerThrows += 1;
      this.#log.error(
        { topic: message.topic, error: messageOf(error) },
        "an MQTT message could not be handled",
      );
      return undefined;
    }
  }

  #takeUnwanted(message: InboundMessage): void {
    if (message.topic === droppedTopic) {
      const dropped = Number(Buffer.from(message.payload).toString());
      if (Number.isFinite(dropped)) this.#brokerDropped = dropped;
    } else if (this.#subscriptions.stray(message.topic) && this.#connected) this.#sync();
  }

  #rejected(error: unknown): void {
    this.#figures.handlerRejections += 1;
    this.#log.error(
      { error: messageOf(error) },
      "MQTT messages could not be stored; reconnecting, so that the broker delivers them again",
    );
  }
}

/** An AggregateError (every address of a host refused) has no message of its own. */
const textOf = (error: Error): string => {
  if (error.message !== "") return error.message;
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : error.name;
};
