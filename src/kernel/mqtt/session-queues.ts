import { bit, fromBit } from "../database/columns.ts";
import {
  type BrokerRef,
  type IncomingPublication,
  type OutgoingPublication,
  publicationOf,
  type Qos,
  qosOf,
  type Release,
  toBytes,
} from "./broker-packets.ts";
import type { QueuedRow } from "./broker-tables.ts";
import type { Journal } from "./journal.ts";
import { type QueueEntry, SessionQueue } from "./session-queue.ts";

/** What `enqueue` did: entries that wait for their place in the order of delivery. */
export type Queued = readonly QueueEntry[];

interface Receiver {
  readonly clientId: string;
  readonly qos: Qos;
}

/** The queues of all sessions, each bounded: the oldest messages go first. */
export class SessionQueues {
  readonly #journal: Journal;
  readonly #broker: BrokerRef;
  readonly #limit: number;
  readonly #onDropped: (clientId: string) => void;
  readonly #queues = new Map<string, SessionQueue>();
  #lastId = 0;

  constructor(journal: Journal, broker: BrokerRef, limit: number, onDropped: (clientId: string) => void) {
    this.#journal = journal;
    this.#broker = broker;
    this.#limit = limit;
    this.#onDropped = onDropped;
  }

  /** In ascending order of id. */
  load(row: QueuedRow): void {
    const entry = this.#newEntry(row.client_id, publicationOf(row, false), row.id);
    this.#lastId = row.id;
    if (row.message_id !== null) {
      entry.publication.messageId = row.message_id;
      if (fromBit(row.released)) entry.packet = { cmd: "pubrel", messageId: row.message_id };
    }
    this.#queue(row.client_id).add(entry);
  }

  /** Once for each client, at the lower of its highest QoS and that of the message. */
  enqueue(receivers: readonly Receiver[], message: IncomingPublication): Queued {
    if (receivers.length === 0) return [];
    const granted = new Map<string, Qos>();
    for (const { clientId, qos } of receivers)
      granted.set(clientId, qosOf(Math.max(qos, granted.get(clientId) ?? 0)));
    // Copied: the payload may be a view into a much larger chunk of a socket.
    const payload = Buffer.from(message.payload);
    return [...granted].map(([clientId, qos]) =>
      this.add(clientId, { topic: message.topic, payload, qos: qosOf(Math.min(qos, message.qos)) }),
    );
  }

  add(clientId: string, message: IncomingPublication): QueueEntry {
    const queue = this.#queue(clientId);
    const entry = this.#newEntry(clientId, message, ++this.#lastId);
    queue.add(entry);
    this.#journal.put("queued", entry.id, rowOf(entry), true);
    const oldest = queue.size > this.#limit ? queue.oldest : undefined;
    if (oldest) {
      this.#remove(queue, oldest);
      this.#onDropped(clientId);
    }
    return entry;
  }

  /** Gives the entries the counter under which their message is being delivered. */
  stamp(queued: Queued, counter: number): void {
    for (const entry of queued) this.#queues.get(entry.clientId)?.setCounter(entry, counter);
  }

  /** A message goes out under its packet id. */
  sent(clientId: string, counter: number | undefined, messageId: number): void {
    const queue = this.#queues.get(clientId);
    const entry = queue?.find(counter, messageId);
    if (!queue || !entry) return;
    queue.setMessageId(entry, messageId);
    // A QoS 1 message may come a second time under another packet id: not worth a write.
    if (entry.publication.qos === 2) this.#journal.put("queued", entry.id, rowOf(entry));
  }

  /** PUBREC has come. */
  released(clientId: string, messageId: number): void {
    const queue = this.#queues.get(clientId);
    const entry = queue?.find(undefined, messageId);
    if (!queue || !entry) return;
    queue.release(entry, messageId);
    this.#journal.put("queued", entry.id, rowOf(entry));
  }

  /** PUBACK or PUBCOMP has come: gives what it was for. */
  done(clientId: string, messageId: number | undefined): OutgoingPublication | Release | undefined {
    const queue = this.#queues.get(clientId);
    const entry = queue?.find(undefined, messageId);
    if (queue && entry) this.#remove(queue, entry);
    return entry?.packet;
  }

  packets(clientId: string): (OutgoingPublication | Release)[] {
    return this.#queues.get(clientId)?.packets() ?? [];
  }

  #queue(clientId: string): SessionQueue {
    const known = this.#queues.get(clientId);
    if (known) return known;
    const queue = new SessionQueue();
    this.#queues.set(clientId, queue);
    return queue;
  }

  #newEntry(clientId: string, message: IncomingPublication, id: number): QueueEntry {
    const publication: OutgoingPublication = {
      cmd: "publish",
      brokerId: message.brokerId ?? this.#broker.id,
      brokerCounter: message.brokerCounter || ++this.#broker.counter,
      topic: message.topic,
      payload: message.payload as Buffer,
      qos: message.qos,
      // [MQTT-3.3.1-9]: it goes to an existing subscription.
      retain: false,
      dup: false,
      messageId: undefined,
    };
    return { id, clientId, publication, packet: publication };
  }

  #remove(queue: SessionQueue, entry: QueueEntry): void {
    queue.delete(entry);
    if (queue.size === 0) this.#queues.delete(entry.clientId);
    this.#journal.remove("queued", entry.id, rowOf(entry));
  }
}

const rowOf = ({ id, clientId, publication, packet }: QueueEntry): QueuedRow => ({
  id,
  client_id: clientId,
  topic: publication.topic,
  payload: toBytes(publication.payload),
  qos: publication.qos,
  message_id: publication.messageId ?? null,
  released: bit(packet.cmd === "pubrel"),
});
