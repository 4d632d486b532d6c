import type { BrokerSubscription } from "./broker-packets.ts";
import { keyOf } from "./broker-packets.ts";
import { FilterTree } from "./filters.ts";
import type { Journal } from "./journal.ts";

interface ClientSubscription extends Omit<BrokerSubscription, "subscriptionIdentifier"> {
  readonly clientId: string;
}

/** Subscriptions of the sessions that outlive their connection. */
export class SessionSubscriptions {
  readonly #journal: Journal;
  readonly #byClient = new Map<string, Map<string, BrokerSubscription>>();
  /** Above QoS 0 only: nothing is queued for the others. */
  readonly #tree = new FilterTree<ClientSubscription>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get clients(): number {
    return this.#byClient.size;
  }

  /** Those above QoS 0. */
  get queueing(): number {
    return this.#tree.size;
  }

  load(clientId: string, subscription: BrokerSubscription): void {
    const own = this.#byClient.get(clientId) ?? new Map<string, BrokerSubscription>();
    this.#byClient.set(clientId, own);
    const { topic, qos } = subscription;
    own.set(topic, subscription);
    const { subscriptionIdentifier: _, ...rest } = subscription;
    if (qos === 0) this.#tree.delete(topic, clientId);
    else this.#tree.set(topic, clientId, { clientId, ...rest });
  }

  put(clientId: string, subscription: BrokerSubscription): void {
    const { topic, qos } = subscription;
    const known = this.#byClient.get(clientId)?.get(topic);
    this.load(clientId, subscription);
    if (known?.qos === qos) return;
    this.#journal.put("subscriptions", keyOf(clientId, topic), { client_id: clientId, filter: topic, qos });
  }

  remove(clientId: string, filters: Iterable<string>): void {
    const own = this.#byClient.get(clientId);
    if (!own) return;
    for (const filter of filters) {
      if (!own.delete(filter)) continue;
      this.#tree.delete(filter, clientId);
      this.#journal.remove("subscriptions", keyOf(clientId, filter), { client_id: clientId, filter, qos: 0 });
    }
    if (own.size === 0) this.#byClient.delete(clientId);
  }

  of(clientId: string): BrokerSubscription[] {
    return [...(this.#byClient.get(clientId)?.values() ?? [])];
  }

  matching(topic: string): ClientSubscription[] {
    return this.#tree.match(topic);
  }

  /** The clients that have subscribed to exactly this filter. */
  clientsOf(filter: string): string[] {
    return [...this.#byClient].filter(([, own]) => own.has(filter)).map(([clientId]) => clientId);
  }
}
