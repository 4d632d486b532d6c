import type { OutgoingPublication, Release } from "./broker-packets.ts";

export interface QueueEntry {
  readonly id: number;
  readonly clientId: string;
  /** What was published, also after the client has said PUBREC. */
  readonly publication: OutgoingPublication;
  packet: OutgoingPublication | Release;
}

/**
 * What one session has still to get or to acknowledge, in order. Found by the broker's counter (before it is sent) and by
 * packet id (when the client answers) without a search, however long the queue is.
 */
export class SessionQueue {
  readonly #entries = new Map<number, QueueEntry>();
  readonly #byCounter = new Map<number, QueueEntry>();
  readonly #byMessageId = new Map<number, QueueEntry>();
  /** Stays where it is between calls: a new iterator would step over all that was deleted at the front. */
  #cursor = this.#entries.values();
  #oldest: QueueEntry | undefined;

  get size(): number {
    return this.#entries.size;
  }

  get oldest(): QueueEntry | undefined {
    while (this.#oldest === undefined || !this.#entries.has(this.#oldest.id)) {
      const next = this.#cursor.next();
      this.#oldest = next.value;
      if (!next.done) continue;
      this.#cursor = this.#entries.values();
      if (this.#entries.size === 0) return undefined;
    }
    return this.#oldest;
  }

  packets(): (OutgoingPublication | Release)[] {
    return [...this.#entries.values()].map((entry) => entry.packet);
  }

  add(entry: QueueEntry): void {
    this.#entries.set(entry.id, entry);
    this.#byCounter.set(entry.publication.brokerCounter, entry);
    const { messageId } = entry.packet;
    if (messageId !== undefined) this.#byMessageId.set(messageId, entry);
  }

  delete(entry: QueueEntry): void {
    this.#entries.delete(entry.id);
    this.#byCounter.delete(entry.publication.brokerCounter);
    const { messageId } = entry.packet;
    if (messageId !== undefined && this.#byMessageId.get(messageId) === entry)
      this.#byMessageId.delete(messageId);
  }

  /** The entry a packet of aedes is about; it is known by its counter until it has been sent once. */
  find(counter: number | undefined, messageId: number | undefined): QueueEntry | undefined {
    const found = counter ? this.#byCounter.get(counter) : undefined;
    return found ?? (messageId === undefined ? undefined : this.#byMessageId.get(messageId));
  }

  /** The packet goes out under this id. */
  setMessageId(entry: QueueEntry, messageId: number): void {
    entry.publication.messageId = messageId;
    this.#byMessageId.set(messageId, entry);
  }

  /** Counters count in the order of delivery; an entry that was queued before its delivery gets its own then. */
  setCounter(entry: QueueEntry, counter: number): void {
    if (this.#entries.get(entry.id) !== entry || entry.packet.messageId !== undefined) return;
    this.#byCounter.delete(entry.publication.brokerCounter);
    entry.publication.brokerCounter = counter;
    this.#byCounter.set(counter, entry);
  }

  /** The client has said PUBREC: PUBREL is what it gets from now on. */
  release(entry: QueueEntry, messageId: number): void {
    entry.packet = { cmd: "pubrel", messageId };
  }
}
