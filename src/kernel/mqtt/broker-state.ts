import { Readable } from "node:stream";
import { bit, fromBit } from "../database/columns.ts";
import type { Database } from "../database/engine.ts";
import type { Log } from "../observe/log.ts";
import {
  type BrokerRef,
  type BrokerSubscription,
  type ClientRef,
  type IncomingPublication,
  keyOf,
  type OutgoingPublication,
  publicationOf,
  qosOf,
  type Release,
  type Will,
} from "./broker-packets.ts";
import { brokerTables, type IncomingRow, type WillRow } from "./broker-tables.ts";
import { Journal } from "./journal.ts";
import { RetainedMessages } from "./retained.ts";
import { type Queued, SessionQueues } from "./session-queues.ts";
import { SessionSubscriptions } from "./session-subscriptions.ts";

export interface BrokerStateOptions {
  readonly database: Database;
  readonly log: Log;
  /** Messages kept for one client that is away; the oldest go first. */
  readonly queueLimit: number;
  readonly onDropped: () => void;
  readonly maySubscribe: (client: ClientRef, filter: string) => boolean;
}

/**
 * The state of the embedded broker: retained messages, sessions with their subscriptions and queues, wills. It lives
 * in memory, is loaded at the start, and goes to the database through the journal. This is what aedes calls a persistence:
 * the asynchronous methods are its contract. None waits for the database; who needs durability waits for `durable()`.
 */
export class BrokerState {
  readonly #options: BrokerStateOptions;
  readonly #journal: Journal;
  readonly #retained: RetainedMessages;
  readonly #subscriptions: SessionSubscriptions;
  readonly #incoming = new Map<string, Map<number, object>>();
  readonly #wills = new Map<string, Will>();
  #broker: BrokerRef = { id: "", counter: 0 };
  #queues: SessionQueues;
  #dropped = 0;

  constructor(options: BrokerStateOptions) {
    this.#options = options;
    this.#journal = new Journal(options.database, options.log);
    this.#retained = new RetainedMessages(this.#journal);
    this.#subscriptions = new SessionSubscriptions(this.#journal);
    this.#queues = this.#newQueues();
  }

  get broker(): BrokerRef {
    return this.#broker;
  }

  async setup(broker: BrokerRef): Promise<void> {
    this.#broker = broker;
    this.#queues = this.#newQueues();
    const db = brokerTables(this.#options.database.read);
    for (const row of await db.selectFrom("mqtt_retained").selectAll().execute())
      this.#retained.load(publicationOf(row, true));
    for (const row of await db.selectFrom("mqtt_subscriptions").selectAll().execute())
      this.#subscriptions.load(row.client_id, { topic: row.filter, qos: qosOf(row.qos) });
    for (const row of await db.selectFrom("mqtt_queued").selectAll().orderBy("id").execute())
      this.#queues.load(row);
    // Only whether there is one matters: it was handed on before it was acknowledged.
    for (const row of await db.selectFrom("mqtt_incoming").selectAll().execute())
      this.#incomingOf(row.client_id).set(row.message_id, { cmd: "publish", messageId: row.message_id });
    for (const row of await db.selectFrom("mqtt_wills").selectAll().execute())
      this.#wills.set(row.client_id, {
        ...publicationOf(row, fromBit(row.retain)),
        clientId: row.client_id,
        brokerId: row.broker_id,
      });
  }

  /**
   * Resolves when everything so far is in the database.
   * @throws Problem `store-unavailable`, `disk-full`
   */
  durable(): Promise<void> {
    return this.#journal.durable();
  }

  async destroy(): Promise<void> {
    await this.#journal.close();
  }

  retain(message: IncomingPublication): void {
    this.#retained.put(message);
  }

  retainedMatching(filter: string): Iterable<IncomingPublication> {
    return this.#retained.matching(filter);
  }

  /** Queues a message for each session that has subscribed to it above QoS 0. */
  enqueue(message: IncomingPublication): Queued {
    return message.qos === 0
      ? []
      : this.#queues.enqueue(this.#subscriptions.matching(message.topic), message);
  }

  stamp(queued: Queued, counter: number): void {
    this.#queues.stamp(queued, counter);
  }

  // From here on: what aedes calls.

  async storeRetained(message: IncomingPublication): Promise<void> {
    this.#retained.put(message);
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter]);
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(filters.flatMap((filter) => [...this.#retained.matching(filter)]));
  }

  async addSubscriptions(client: ClientRef, subscriptions: readonly BrokerSubscription[]): Promise<void> {
    // aedes passes all of a packet as soon as one of them is granted.
    for (const subscription of subscriptions)
      if (this.#options.maySubscribe(client, subscription.topic))
        this.#subscriptions.put(client.id, subscription);
  }

  async removeSubscriptions(client: ClientRef, filters: readonly string[]): Promise<void> {
    this.#subscriptions.remove(client.id, filters);
  }

  async cleanSubscriptions(client: ClientRef): Promise<void> {
    const filters = this.#subscriptions.of(client.id).map(({ topic }) => topic);
    this.#subscriptions.remove(client.id, filters);
  }

  async subscriptionsByClient(client: ClientRef): Promise<BrokerSubscription[]> {
    return this.#subscriptions.of(client.id);
  }

  async subscriptionsByTopic(topic: string): Promise<BrokerSubscription[]> {
    return this.#subscriptions.matching(topic);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: this.#subscriptions.queueing, clientsCount: this.#subscriptions.clients };
  }

  getClientList(filter: string): Readable {
    return Readable.from(this.#subscriptions.clientsOf(filter));
  }

  async outgoingEnqueue(
    receiver: { readonly clientId: string },
    message: IncomingPublication,
  ): Promise<void> {
    this.#queues.add(receiver.clientId, message);
  }

  async outgoingEnqueueCombi(
    receivers: readonly { readonly clientId: string }[],
    message: IncomingPublication,
  ): Promise<void> {
    for (const { clientId } of receivers) this.#queues.add(clientId, message);
  }

  async outgoingUpdate(client: ClientRef, packet: OutgoingPublication | Release): Promise<void> {
    if (packet.messageId === undefined) return;
    if (packet.cmd === "pubrel") this.#queues.released(client.id, packet.messageId);
    else this.#queues.sent(client.id, packet.brokerCounter, packet.messageId);
  }

  async outgoingClearMessageId(
    client: ClientRef,
    packet: { readonly messageId?: number },
  ): Promise<OutgoingPublication | Release | undefined> {
    return this.#queues.done(client.id, packet.messageId);
  }

  outgoingStream(client: ClientRef): Readable {
    return Readable.from(this.#queues.packets(client.id));
  }

  async incomingStorePacket(
    client: ClientRef,
    packet: IncomingPublication & { readonly messageId: number },
  ): Promise<void> {
    const { topic, payload, qos, retain, messageId } = packet;
    const copy = { cmd: "publish", topic, payload, qos, retain, dup: false, messageId };
    this.#incomingOf(client.id).set(messageId, copy);
    this.#journal.put("incoming", keyOf(client.id, messageId), incomingRow(client.id, messageId), true);
  }

  async incomingGetPacket(client: ClientRef, packet: { readonly messageId: number }): Promise<object> {
    const known = this.#incoming.get(client.id)?.get(packet.messageId);
    if (!known) throw new Error(`${client.id} has no open message ${packet.messageId}`);
    return known;
  }

  async incomingDelPacket(client: ClientRef, packet: { readonly messageId: number }): Promise<void> {
    await this.incomingGetPacket(client, packet);
    this.#forgetIncoming(client.id, packet.messageId);
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    for (const messageId of this.#incoming.get(client.id)?.keys() ?? [])
      this.#forgetIncoming(client.id, messageId);
  }

  async putWill(client: ClientRef, will: Will): Promise<void> {
    will.brokerId = this.#broker.id;
    will.clientId = client.id;
    this.#wills.set(client.id, will);
    this.#journal.put("wills", client.id, willRow(will));
  }

  async getWill(client: ClientRef): Promise<Will | undefined> {
    return this.#wills.get(client.id);
  }

  async delWill(client: ClientRef): Promise<Will | undefined> {
    const will = this.#wills.get(client.id);
    if (will) this.#journal.remove("wills", client.id, willRow(will));
    this.#wills.delete(client.id);
    return will;
  }

  streamWill(brokers: Readonly<Record<string, unknown>> = {}): Readable {
    return Readable.from([...this.#wills.values()].filter((will) => !brokers[will.brokerId]));
  }

  #newQueues(): SessionQueues {
    return new SessionQueues(this.#journal, this.#broker, this.#options.queueLimit, (clientId) => {
      this.#options.onDropped();
      if (this.#dropped++ % 10_000 === 0)
        this.#options.log.warn(
          { clientId, kept: this.#options.queueLimit, droppedSinceStart: this.#dropped },
          "the queue of an MQTT client that is away is full; its oldest messages are dropped",
        );
    });
  }

  #incomingOf(clientId: string): Map<number, object> {
    const known = this.#incoming.get(clientId);
    if (known) return known;
    const created = new Map<number, object>();
    this.#incoming.set(clientId, created);
    return created;
  }

  #forgetIncoming(clientId: string, messageId: number): void {
    const own = this.#incoming.get(clientId);
    own?.delete(messageId);
    if (own?.size === 0) this.#incoming.delete(clientId);
    this.#journal.remove("incoming", keyOf(clientId, messageId), incomingRow(clientId, messageId));
  }
}

const incomingRow = (clientId: string, messageId: number): IncomingRow => ({
  client_id: clientId,
  message_id: messageId,
});

const willRow = ({ clientId, brokerId, topic, payload, qos, retain }: Will): WillRow => ({
  client_id: clientId,
  broker_id: brokerId,
  topic,
  payload: Buffer.from(payload),
  qos,
  retain: bit(retain),
});
