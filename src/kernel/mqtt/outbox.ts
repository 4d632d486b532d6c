import type { IClientOptions, MqttClient } from "mqtt";
import { messageOf, Problem } from "../errors.ts";
import type { Publication } from "./link.ts";

interface Job {
  readonly publication: Publication;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Known once a QoS 2 publication is on its way. */
  messageId?: number;
}

/**
 * Publications of one connection. Keeps to the broker's receive maximum, which MQTT.js does not: a stock Mosquitto
 * announces 20 and closes the connection of an MQTT 5 client that has more on their way.
 */
export class Outbox {
  readonly #client: MqttClient;
  readonly #waiting: Job[] = [];
  readonly #sent = new Set<Job>();
  #window = 0;
  #unacknowledged = 0;
  #closed = false;
  readonly #whenEmpty: (() => void)[] = [];

  constructor(client: MqttClient) {
    this.#client = client;
  }

  /** From now on it sends; `window`: how many QoS 1 and 2 publications may be on their way. */
  open(window: number): void {
    this.#window = window;
    this.#pump();
  }

  /** @throws Problem `broker-unavailable` when the connection ends first */
  publish(publication: Publication): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(lost());
        return;
      }
      const job: Job = { publication, resolve, reject };
      publication.withdraw?.addEventListener("abort", () => this.#withdraw(job), { once: true });
      this.#waiting.push(job);
      this.#pump();
    });
  }

  /** Rejects what is open. Returns the ids of QoS 2 publications whose fate is unknown. */
  close(): number[] {
    this.#closed = true;
    const open = [...this.#sent, ...this.#waiting.splice(0)];
    this.#sent.clear();
    for (const job of open) job.reject(lost());
    this.#tellEmpty();
    return open.flatMap((job) => job.messageId ?? []);
  }

  /** Resolves when nothing is open. */
  async empty(): Promise<void> {
    if (this.#sent.size + this.#waiting.length > 0)
      await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  #pump(): void {
    for (let job = this.#waiting[0]; job && this.#unacknowledged < this.#window; job = this.#waiting[0]) {
      this.#waiting.shift();
      this.#send(job);
    }
  }

  #send(job: Job): void {
    const { topic, payload, qos, retain } = job.publication;
    const counted = qos > 0;
    if (counted) this.#unacknowledged += 1;
    this.#sent.add(job);
    this.#client.publish(topic, asBuffer(payload), { qos, retain }, (error) => {
      if (counted) this.#unacknowledged -= 1;
      if (this.#sent.delete(job)) this.#finish(job, error);
      if (!this.#closed) this.#pump();
      this.#tellEmpty();
    });
    if (qos === 2) job.messageId = this.#client.getLastMessageId();
  }

  /** What is on its way already stays counted: the broker may still acknowledge it. */
  #withdraw(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    job.reject(
      new Problem("broker-unavailable", {
        detail: `The MQTT broker did not acknowledge the message on ${job.publication.topic} in time.`,
      }),
    );
    this.#tellEmpty();
  }

  #tellEmpty(): void {
    if (this.#sent.size + this.#waiting.length > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #finish(job: Job, error: unknown): void {
    if (error === undefined || error === null) job.resolve();
    else
      job.reject(
        new Problem("broker-unavailable", {
          detail: `The broker refused the message on ${job.publication.topic}: ${messageOf(error)}`,
          cause: error,
        }),
      );
  }
}

const lost = (): Problem =>
  new Problem("broker-unavailable", {
    detail: "The connection to the MQTT broker was lost before it acknowledged the message.",
  });

const asBuffer = (payload: string | Uint8Array): string | Buffer =>
  typeof payload === "string" ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);

/**
 * Packet ids that go on counting over connections. A broker that keeps our session takes a new QoS 2 publication with the
 * id of an unfinished one for its duplicate and drops it; so ids come back as late as possible.
 */
export class PacketIds implements NonNullable<IClientOptions["messageIdProvider"]> {
  readonly #used = new Set<number>();
  #last = 0;

  allocate(): number | null {
    if (this.#used.size >= 65_535) return null;
    do this.#last = (this.#last % 65_535) + 1;
    while (this.#used.has(this.#last));
    this.#used.add(this.#last);
    return this.#last;
  }

  getLastAllocated(): number | null {
    return this.#last === 0 ? null : this.#last;
  }

  register(id: number): boolean {
    if (this.#used.has(id)) return false;
    this.#used.add(id);
    return true;
  }

  deallocate(id: number): void {
    this.#used.delete(id);
  }

  clear(): void {
    this.#used.clear();
  }
}
