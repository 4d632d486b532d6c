import { faultText, type ItemFaults, isFaulty, itemFaults } from "./item-faults.ts";
import type { SavedDatapoint } from "./metadata.ts";
import type { Shortcomings } from "./run.ts";
import { Refused, type Target } from "./target.ts";

/** Where a saved datapoint went. */
export interface Placed {
  readonly saved: SavedDatapoint;
  /** On the server that is restored to. */
  readonly id: number;
  /** It did not exist before. */
  readonly created: boolean;
}

export interface PlacingOptions {
  /** Create what is missing; connectors too. */
  readonly force: boolean;
}

const perRequest = 500;
const path = "/datapoint/";

/** Brings the metadata to the server: updates what is there, creates the rest if wanted. */
export class Placing {
  readonly placed: Placed[] = [];
  readonly #target: Target;
  readonly #force: boolean;
  readonly #shortcomings: Shortcomings;
  #refused: (readonly [SavedDatapoint, string])[] = [];

  constructor(target: Target, { force }: PlacingOptions, shortcomings: Shortcomings) {
    this.#target = target;
    this.#force = force;
    this.#shortcomings = shortcomings;
  }

  async place(saved: readonly SavedDatapoint[]): Promise<void> {
    for (let from = 0; from < saved.length; from += perRequest)
      await this.#update(saved.slice(from, from + perRequest));
    // A short name may have been in the way of another one that has changed since.
    const again = this.#refused;
    this.#refused = [];
    for (const [datapoint] of again) await this.#update([datapoint]);
    for (const [datapoint, reason] of this.#refused)
      this.#shortcomings.add(
        `The ${datapoint.type} ${datapoint.key} of connector ${datapoint.connector} is not restored: ${reason}`,
      );
  }

  async #update(batch: readonly SavedDatapoint[]): Promise<void> {
    if (batch.length === 0) return;
    const { status, body } = await this.#target.json(
      "PUT",
      path,
      batch.map(({ fields }) => fields),
    );
    if (status === 200) return this.#keep(batch, body, false);
    if (status !== 400) throw new Refused(`PUT ${path}`, status, faultText(body));
    const faults = itemFaults(body, batch.length);
    const [single] = batch;
    if (faults) {
      const missing = batch.filter((_, index) => isMissing(faults[index]));
      const bad = batch.filter((_, index) => isFaulty(faults[index] ?? {}) && !isMissing(faults[index]));
      for (const one of bad) this.#refused.push([one, faultText(faults[batch.indexOf(one)])]);
      await this.#update(batch.filter((_, index) => !isFaulty(faults[index] ?? {})));
      await this.#create(missing, faults[batch.indexOf(missing[0] as SavedDatapoint)]);
    } else if (batch.length === 1 && single) this.#refused.push([single, faultText(body)]);
    else for (const one of batch) await this.#update([one]);
    return undefined;
  }

  async #create(batch: readonly SavedDatapoint[], whyMissing: ItemFaults | undefined): Promise<void> {
    if (batch.length === 0) return;
    if (!this.#force) {
      const hint = "it is not there, and is created only with --force-datapoint-creation";
      for (const one of batch) this.#refused.push([one, `${hint} (${faultText(whyMissing)})`]);
      return;
    }
    const { status, body } = await this.#target.json(
      "POST",
      path,
      batch.map(({ fields }) => fields),
    );
    const [single] = batch;
    if (status === 201) this.#keep(batch, body, true);
    else if (status !== 400) throw new Refused(`POST ${path}`, status, faultText(body));
    else if (batch.length === 1 && single) this.#refused.push([single, faultText(body)]);
    // Not every server keeps its word that such a request creates all or none.
    else for (const one of batch) await this.#update([one]);
  }

  #keep(batch: readonly SavedDatapoint[], body: unknown, created: boolean): void {
    const answered = body as readonly { readonly id: number }[];
    for (const [index, saved] of batch.entries()) {
      const id = answered[index]?.id;
      if (id !== undefined) this.placed.push({ saved, id, created });
    }
  }
}

const isMissing = (faults: ItemFaults | undefined): boolean =>
  faults !== undefined &&
  isFaulty(faults) &&
  Object.keys(faults).every((field) => field === "connector" || field === "datapoint");
