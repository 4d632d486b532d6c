import { Aedes, type AedesOptions, type Client, type PublishPacket } from "aedes";
import type { IncomingPublication } from "./broker-packets.ts";
import type { BrokerState } from "./broker-state.ts";
import type { Queued } from "./session-queues.ts";

type Done = (error?: Error) => void;

interface Emitter {
  emit(packet: object, done: Done): void;
}

/** What a publication has left in the state. */
interface Stored {
  readonly queued: Queued;
  readonly durable: Promise<void>;
}

const maxTopicLevels = 100;
const tooManyLevels = `a topic has at most ${maxTopicLevels} levels`;
/** aedes' matcher throws beyond that. */
const fits = (topic: string): boolean => topic.split("/", maxTopicLevels + 1).length <= maxTopicLevels;
const nothing: Done = () => {};

/**
 * aedes with a publishing path of its own. The stock one numbers a message, then waits for the persistence, then delivers; a
 * client drops what comes with a lower number than the message before, as a duplicate: a retained message followed by another one
 * of the same chunk is lost that way. Here a message is stored, numbered and delivered in one go, and durability is waited
 * for before the acknowledgement.
 */
export class Broker extends Aedes {
  declare readonly mq: Emitter;
  declare counter: number;
  readonly #state: BrokerState;
  readonly #prepared = new WeakMap<object, Stored>();

  constructor(options: AedesOptions, state: BrokerState) {
    // No bound on what is being delivered at once: at the bound, one slow subscriber would hold up all others.
    super({ ...options, concurrency: 0, maxTopicLevels, persistence: state });
    this.#state = state;
  }

  /**
   * Stores what must survive of a publication (retained message, queues of sessions) before aedes acknowledges it, which at QoS 1
   * it does before it publishes. Resolves when that is durable; undefined when there is nothing to store.
   */
  prepare(packet: PublishPacket): Promise<void> | undefined {
    const stored = this.#store(packet);
    if (stored) this.#prepared.set(packet, stored);
    return stored?.durable;
  }

  /** Publishes for ourselves; resolves when it is stored, without waiting for the delivery. */
  async submit(packet: PublishPacket): Promise<void> {
    if (!fits(packet.topic)) throw new Error(tooManyLevels);
    const stored = this.#store(packet);
    const error = this.#deliver(packet, null, stored);
    if (error) throw error;
    await stored?.durable;
  }

  /** What aedes calls for each message of a client (with the client), for wills, and for its own notices. */
  override publish(packet: PublishPacket, clientOrDone: Client | null | Done, maybeDone?: Done): void {
    const client = typeof clientOrDone === "function" ? null : clientOrDone;
    const done = (typeof clientOrDone === "function" ? clientOrDone : maybeDone) ?? nothing;
    if (!fits(packet.topic)) {
      done(new Error(tooManyLevels));
      return;
    }
    const stored = this.#prepared.get(packet) ?? this.#store(packet);
    this.#prepared.delete(packet);
    const error = this.#deliver(packet, client, stored);
    if (error || !stored || packet.qos === 0) done(error);
    // QoS 2: aedes sends PUBREC after this.
    else stored.durable.then(() => done(), done);
  }

  #store(packet: PublishPacket): Stored | undefined {
    if (!packet.retain && packet.qos === 0) return undefined;
    const publication = packet as IncomingPublication;
    const queued = this.#state.enqueue(publication);
    if (packet.retain) this.#state.retain(publication);
    if (!packet.retain && queued.length === 0) return undefined;
    return { queued, durable: this.#state.durable() };
  }

  /** Does not wait for the subscribers: a frozen one must hold up nobody's publishing. */
  #deliver(packet: PublishPacket, client: Client | null, stored: Stored | undefined): Error | undefined {
    const { topic, payload, qos = 0, retain = false } = packet;
    const brokerCounter = ++this.counter;
    if (stored) this.#state.stamp(stored.queued, brokerCounter);
    let failure: Error | undefined;
    this.mq.emit(
      {
        cmd: "publish",
        brokerId: this.id,
        brokerCounter,
        topic,
        payload,
        qos,
        retain,
        dup: false,
        ...(client ? { clientId: client.id } : {}),
      },
      (error) => {
        failure = error;
      },
    );
    return failure;
  }
}
