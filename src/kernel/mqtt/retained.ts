import type { IncomingPublication } from "./broker-packets.ts";
import { topicMatches } from "./filters.ts";
import type { Journal } from "./journal.ts";

/** The last retained message of each topic. */
export class RetainedMessages {
  readonly #journal: Journal;
  readonly #messages = new Map<string, IncomingPublication>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  load(message: IncomingPublication): void {
    this.#messages.set(message.topic, message);
  }

  /** An empty payload clears the topic: [MQTT-3.3.1-10]. */
  put(message: IncomingPublication): void {
    const { topic, qos } = message;
    // Copied: the payload may be a view into a much larger chunk of a socket.
    const payload = Buffer.from(message.payload);
    const known = this.#messages.get(topic);
    if (payload.length === 0) {
      if (this.#messages.delete(topic)) this.#journal.remove("retained", topic, { topic, payload, qos });
      return;
    }
    this.#messages.set(topic, { ...message, payload });
    if (known?.qos !== qos || !payload.equals(known.payload as Buffer))
      this.#journal.put("retained", topic, { topic, payload, qos });
  }

  *matching(filter: string): Generator<IncomingPublication> {
    const exact = this.#messages.get(filter);
    if (exact) yield exact;
    else if (/[+#]/.test(filter))
      for (const [topic, message] of this.#messages) if (topicMatches(filter, topic)) yield message;
  }
}
