import type { RecordedChange } from "../../../kernel/changes/changes.ts";
import type { Database } from "../../../kernel/database/engine.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import type { Figures } from "../figures.ts";
import { Following } from "../following.ts";
import type { RetainedTopics } from "../retained.ts";
import { affectedConnectors } from "../topics.ts";
import { listText } from "./model.ts";
import { listActivePairs, listControllers } from "./store.ts";

export interface ListsOptions {
  readonly database: Database;
  readonly retained: RetainedTopics;
  readonly figures: Figures;
  readonly log: Log;
}

/** The lists of controllers, kept up with what is committed, on whichever node. */
export class ControllerLists implements Disposable {
  readonly #options: ListsOptions;
  readonly #following: Following;
  #topics: ReadonlySet<string> = new Set();

  constructor(options: ListsOptions) {
    this.#options = options;
    this.#following = new Following(
      () => this.#refresh(),
      options.log,
      "lists of controllers could not be read",
    );
  }

  /** To be called after each commit. */
  readonly follow = (change: RecordedChange): void => {
    if (touchesPairs(change)) this.#following.ask();
  };

  /** Resolves when everything committed so far is in force here. Never rejects: what fails is tried again. */
  settle(): Promise<void> {
    return this.#following.settle();
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }

  async #refresh(): Promise<void> {
    const { database, retained, figures } = this.#options;
    const controllers = await listControllers(database.read);
    const pairs = (await listActivePairs(database.read)).filter(({ builtin }) => !builtin);
    const byController = Map.groupBy(pairs, ({ controllerId }) => controllerId);
    const topics = new Set(controllers.map(({ topic }) => topic));
    const left = this.#topics.difference(topics);
    for (const topic of left) retained.forget(topic);
    for (const { id, topic } of controllers)
      retained.want(topic, listText(byController.get(id) ?? []), () => {
        figures.controllers.published.controlled_datapoints += 1;
      });
    this.#topics = topics;
    if (left.size > 0) retained.clearRetired();
  }
}

/** Whether pairs, or the topics in them, may have changed. */
export const touchesPairs = (change: RecordedChange): boolean =>
  ["controller", "controlleddatapoint", "connector"].includes(change.resource) ||
  (change.resource === "datapoint" && affectedConnectors(change).length > 0);
