import { arrayItems } from "./array-items.ts";
import { type Kind, readPacked } from "./files.ts";
import { faultText, type ItemFaults, isFaulty, itemFaults } from "./item-faults.ts";
import { type Wording, wireMessage } from "./messages.ts";
import { Refused, type Target } from "./target.ts";

/** Bring the messages of the file to the datapoint. */
export interface Send {
  readonly task: "send";
  readonly file: string;
  readonly kind: Kind;
  /** On the server. */
  readonly id: number;
  /** Connector, key and type, by which the server finds its metadata. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly wording: Wording;
}

export interface Sent {
  readonly created: number;
  readonly updated: number;
  /** Messages that the server does not take. */
  readonly refused: number;
  /** Why the first of them was not taken. */
  readonly reason: string | undefined;
  /** The datapoint's data format was made `unknown`, and has to be set right when all its messages are there. */
  readonly relaxed: boolean;
}

/** About half a megabyte: a small body keeps both sides quick. */
const perRequest = 10_000;

/** @throws Refused, CorruptBzip2, SyntaxError */
export async function sendFrom(target: Target, job: Send): Promise<Sent> {
  const sending = new Sending(target, job);
  let batch: unknown[] = [];
  for await (const message of arrayItems(readPacked(job.file))) {
    batch.push(wireMessage(job.kind, message, job.wording));
    if (batch.length < perRequest) continue;
    await sending.put(batch);
    batch = [];
  }
  await sending.put(batch);
  return sending.sent;
}

class Sending {
  readonly sent = {
    created: 0,
    updated: 0,
    refused: 0,
    reason: undefined as string | undefined,
    relaxed: false,
  };
  readonly #target: Target;
  readonly #job: Send;

  constructor(target: Target, job: Send) {
    this.#target = target;
    this.#job = job;
  }

  async put(batch: readonly unknown[]): Promise<void> {
    if (batch.length === 0) return;
    const path = `/datapoint/${this.#job.id}/${this.#job.kind}/`;
    const { status, body } = await this.#target.json("PUT", path, batch);
    if (status === 200) {
      const counts = body as { msgs_created: number; msgs_updated: number };
      this.sent.created += counts.msgs_created;
      this.sent.updated += counts.msgs_updated;
    } else if (status === 400) await this.#putWhatIsGood(batch, body);
    else if (status === 413 && batch.length > 1) await this.#putHalves(batch);
    else throw new Refused(`PUT ${path}`, status, faultText(body));
  }

  /** One bad message refuses all of its request. */
  async #putWhatIsGood(batch: readonly unknown[], body: unknown): Promise<void> {
    const faults = itemFaults(body, batch.length);
    if (breaksRules(faults) && (await this.#relax())) return this.put(batch);
    if (batch.length === 1) {
      this.sent.refused += 1;
      this.sent.reason ??= faultText(body);
      return undefined;
    }
    if (!faults) return this.#putHalves(batch);
    const bad = faults.filter(isFaulty);
    this.sent.refused += bad.length;
    this.sent.reason ??= faultText(bad[0]);
    return this.put(batch.filter((_, index) => !isFaulty(faults[index] ?? {})));
  }

  async #putHalves(batch: readonly unknown[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2);
    await this.put(batch.slice(0, middle));
    await this.put(batch.slice(middle));
  }

  /**
   * What comes over MQTT is stored whatever the datapoint's rules say, and rules change: history may hold what they would
   * refuse now. With the format `unknown` there are none. @returns whether something changed
   */
  async #relax(): Promise<boolean> {
    if (this.sent.relaxed) return false;
    const item = { ...this.#job.identity, data_format: "unknown" };
    this.sent.relaxed = (await this.#target.json("PUT", "/datapoint/", [item])).status === 200;
    return this.sent.relaxed;
  }
}

/** A timestamp out of the window stays refused whatever the format is. */
const breaksRules = (faults: readonly ItemFaults[] | undefined): boolean =>
  faults === undefined || faults.some((own) => Object.keys(own).some((field) => field !== "timestamp"));
