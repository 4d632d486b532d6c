import { Socket } from "node:net";
import { connect, type IClientOptions, type IConnackPacket, type MqttClient, ReasonCodes } from "mqtt";
import { OrderedAcks } from "./acks.ts";
import type { InboundMessage, Publication } from "./link.ts";
import { Outbox } from "./outbox.ts";

export interface ConnectionEvents {
  /** Gives what to wait for before the message is acknowledged. Must not throw. */
  message(message: InboundMessage): Promise<void> | undefined;
  /** A promise that `message` gave has rejected: the connection is about to be dropped. */
  rejected(error: unknown): void;
  connected(sessionPresent: boolean): void;
  /** Once, the last event. `error` as the client or broker told it. */
  closed(error: Error | undefined): void;
}

type SendPacket = (
  packet: { cmd: string; messageId?: number },
  done?: () => void,
  ...rest: unknown[]
) => void;

/** Messages that may wait for their commit before no more are read: QoS 0 has no other bound, nor has MQTT 3.1.1. */
const maxHeld = 10_000;

const reasonOf = (code: number): string => Reflect.get(ReasonCodes, code) ?? "no reason known";

/** The connack code of MQTT 3.x and the reason code of MQTT 5. */
const versionRefused = new Set([1, 132]);

/** Whether the broker does not speak the protocol version asked for. */
export const isVersionRefusal = (error: Error | undefined): boolean =>
  error !== undefined && versionRefused.has(Number(Reflect.get(error, "code")));

/**
 * One network connection to an external broker, from CONNECT to its end; the next one is a new object, so nothing of
 * an old connection leaks into it. MQTT.js acknowledges a message before it takes the next, which would make each commit a
 * commit of one message: its PUBACK is therefore swallowed in `_sendPacket` (private: the version is pinned, and tests
 * watch the wire), and written here once the promise of the message has resolved.
 */
export class Connection {
  readonly #client: MqttClient;
  readonly #events: ConnectionEvents;
  readonly #acks: OrderedAcks<number>;
  readonly #outbox: Outbox;
  readonly #send: SendPacket;
  #ready: number[] = [];
  #writing = false;
  /** Lets MQTT.js take the next packet; set while too much is held. */
  #paused: (() => void) | undefined;
  #error: Error | undefined;
  #accepting = true;
  #closed = false;

  /** `unfinished`: ids of QoS 2 publications of the connection before. */
  constructor(options: IClientOptions, unfinished: readonly number[], events: ConnectionEvents) {
    this.#events = events;
    this.#acks = new OrderedAcks<number>(
      (ids) => this.#acknowledge(ids),
      (error) => {
        this.#events.rejected(error);
        this.drop(error instanceof Error ? error : new Error(String(error)));
      },
    );
    this.#client = connect({
      ...options,
      manualConnect: true,
      reconnectPeriod: 0,
      resubscribe: false,
      log: () => {},
    });
    this.#outbox = new Outbox(this.#client);
    this.#send = holdAcknowledgements(this.#client);
    // A stored session delivers before SUBACK: everything is attached before the connection is opened.
    this.#client.handleMessage = (packet, done) => {
      if (this.#accepting) {
        const { topic, payload, qos, retain, messageId } = packet;
        const wait = events.message({ topic, payload: payload as Buffer, qos, retained: retain });
        this.#acks.add(qos === 1 ? (messageId ?? 0) : 0, wait);
      }
      if (this.#acks.held < maxHeld) done();
      else this.#paused = done;
    };
    this.#client.on("connect", (packet) => this.#connected(packet, unfinished));
    this.#client.on("error", (error) => this.drop(error));
    // MQTT 5: the broker says why before it closes, for example that our client id has come in once more.
    this.#client.on("disconnect", ({ reasonCode = 0 }) => {
      this.#error ??= new Error(`The broker ended the connection: ${reasonOf(reasonCode)} (${reasonCode})`);
    });
    this.#client.on("close", () => this.#ended());
    this.#client.connect();
  }

  get held(): number {
    return this.#acks.held;
  }

  publish(publication: Publication): Promise<void> {
    return this.#outbox.publish(publication);
  }

  /** QoS 2 publications whose fate the end of the connection left open. */
  unfinished: readonly number[] = [];

  /** @returns the filters the broker refused; rejects when the connection ends first */
  subscribe(filters: readonly string[], qos: 0 | 1): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const options = { qos, rh: 0, rap: false } as const;
      this.#client.subscribe([...filters], options, (error, _granted, packet) => {
        const codes = packet?.granted;
        if (codes?.length === filters.length)
          resolve(filters.filter((_filter, index) => Number(codes[index]) >= 0x80));
        else reject(error ?? new Error("The broker acknowledged another number of subscriptions."));
      });
    });
  }

  unsubscribe(filters: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.unsubscribe([...filters], (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Takes nothing more, acknowledges what is held, waits for open publications, then says goodbye. */
  async finish(deadlineMs: number): Promise<void> {
    this.#accepting = false;
    if (this.#closed) return;
    const ended = new Promise<void>((resolve) => this.#client.once("close", () => resolve()));
    const timer = setTimeout(() => this.drop(undefined), this.#client.connected ? deadlineMs : 0);
    await Promise.race([ended, Promise.all([this.#acks.empty(), this.#outbox.empty()])]);
    this.#writeAcknowledgements();
    if (this.#client.connected) this.#client.end(false);
    await ended;
    clearTimeout(timer);
  }

  /** Ends it at once; what is held is not acknowledged, so the broker delivers it again. */
  drop(error: Error | undefined): void {
    this.#error ??= error;
    this.#accepting = false;
    this.#forget();
    this.#client.stream.destroy();
  }

  /** The ids belong to this connection; on the next one the broker delivers again. */
  #forget(): void {
    this.#acks.clear();
    this.#ready = [];
    this.#resume();
  }

  #resume(): void {
    const go = this.#paused;
    this.#paused = undefined;
    go?.();
  }

  #connected(packet: IConnackPacket, unfinished: readonly number[]): void {
    if (this.#client.stream instanceof Socket) this.#client.stream.setNoDelay(true);
    if (packet.sessionPresent)
      // [MQTT-4.4.0-1]: the broker may still hold them; PUBREL lets it forward or forget, PUBCOMP is not waited for.
      for (const messageId of unfinished)
        this.#send({ cmd: "pubrel", messageId }, undefined, undefined, true);
    this.#outbox.open(Math.min(packet.properties?.receiveMaximum ?? 65_535, 1000));
    this.#events.connected(packet.sessionPresent);
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#accepting = false;
    this.#forget();
    this.unfinished = this.#outbox.close();
    this.#client.end(true);
    this.#events.closed(this.#error);
  }

  /** One write per turn of the event loop, however many promises resolved in it. */
  #acknowledge(ids: readonly number[]): void {
    if (this.#acks.held < maxHeld / 2) this.#resume();
    for (const id of ids) if (id !== 0) this.#ready.push(id);
    if (this.#writing) return;
    this.#writing = true;
    setImmediate(() => this.#writeAcknowledgements());
  }

  #writeAcknowledgements(): void {
    this.#writing = false;
    const ids = this.#ready;
    if (ids.length === 0) return;
    this.#ready = [];
    const packets = Buffer.allocUnsafe(ids.length * 4);
    // PUBACK, remaining length 2, packet id; in MQTT 5 the short form means success.
    for (const [index, id] of ids.entries()) packets.writeUInt32BE(0x4002_0000 + id, index * 4);
    this.#client.stream.write(packets);
  }
}

function holdAcknowledgements(client: MqttClient): SendPacket {
  const original = Reflect.get(client, "_sendPacket") as SendPacket;
  const send: SendPacket = (packet, done, ...rest) =>
    Reflect.apply(original, client, [packet, done, ...rest]);
  Reflect.set(client, "_sendPacket", ((packet, done, ...rest) => {
    if (packet.cmd === "puback") done?.();
    else send(packet, done, ...rest);
  }) satisfies SendPacket);
  return send;
}
