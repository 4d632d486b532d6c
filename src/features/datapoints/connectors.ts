import type { Actor } from "../../kernel/changes/changes.ts";
import type { Tx } from "../../kernel/database/engine.ts";
import { isUniqueViolation } from "../../kernel/database/faults.ts";
import { Problem } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  deleteConnector,
  findConnectorsByName,
  getConnector,
  insertConnectors,
  lockConnectors,
  renameConnector,
} from "./connector-store.ts";
import type { Discovered } from "./discovered.ts";
import { type Connector, connectorNameFault, emptyMap, mapTopic } from "./model.ts";
import { refuseFields } from "./refusals.ts";
import { addClearings } from "./retained-store.ts";
import { listByKey } from "./store.ts";
import { removeDatapoints } from "./streams.ts";
import { shorten } from "./texts.ts";
import type { Topics } from "./topics.ts";
import { connectorChange } from "./views.ts";

/** What may be done to connectors. Each call resolves when subscriptions follow it on this node. */
export class Connectors {
  readonly #kernel: Kernel;
  readonly #topics: Topics;
  readonly #discovered: Discovered;

  constructor(kernel: Kernel, topics: Topics, discovered: Discovered) {
    this.#kernel = kernel;
    this.#topics = topics;
    this.#discovered = discovered;
  }

  /** @throws Problem `invalid-request` for a name that cannot be a topic, `conflict` for one that is taken */
  async create(name: string, actor: Actor): Promise<Connector> {
    checkName(name);
    const created = await this.#write(name, async (tx) => {
      await checkFree(tx, name);
      const [connector] = await insertConnectors(tx, [name], this.#kernel.clock.now());
      if (!connector) throw taken(name);
      await this.#kernel.changes.record(tx, [connectorChange(actor, undefined, connector)]);
      return connector;
    });
    this.#discovered.forget(name);
    return created;
  }

  /** Its topics change with the name; the retained map under the old one is emptied. */
  async rename(
    id: number,
    name: string | undefined,
    actor: Actor,
    check: (current: Connector) => void,
  ): Promise<Connector> {
    if (name !== undefined) checkName(name);
    return this.#write(name ?? "", async (tx) => {
      await lockConnectors(tx, [id]);
      const before = await getConnector(tx, id);
      check(before);
      if (name === undefined || name === before.name) return before;
      await checkFree(tx, name);
      const now = this.#kernel.clock.now();
      await renameConnector(tx, id, name, now);
      await addClearings(tx, [{ topic: mapTopic(before.name), payload: emptyMap }], now);
      const after = await getConnector(tx, id);
      await this.#kernel.changes.record(tx, [connectorChange(actor, before, after)]);
      return after;
    });
  }

  /** With its datapoints, their values and its log. */
  async remove(id: number, actor: Actor, check: (current: Connector) => void): Promise<void> {
    await this.#write("", async (tx) => {
      await lockConnectors(tx, [id]);
      const connector = await getConnector(tx, id);
      check(connector);
      await removeDatapoints(tx, this.#kernel, await listByKey(tx, id), actor);
      await deleteConnector(tx, id);
      const clearing = { topic: mapTopic(connector.name), payload: emptyMap };
      await addClearings(tx, [clearing], this.#kernel.clock.now());
      await this.#kernel.changes.record(tx, [connectorChange(actor, connector, undefined)]);
    });
  }

  async #write<T>(name: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      const result = await this.#kernel.database.write(work);
      await this.#topics.settle();
      return result;
    } catch (error) {
      if (isUniqueViolation(error)) throw taken(name);
      throw error;
    }
  }
}

function checkName(name: string): void {
  const fault = connectorNameFault(name);
  if (fault !== undefined) throw refuseFields({ name: [fault] });
}

async function checkFree(tx: Tx, name: string): Promise<void> {
  if ((await findConnectorsByName(tx, [name])).length > 0) throw taken(name);
}

const taken = (name: string): Problem => {
  const rule = `There is a connector ${shorten(name)} already.`;
  return new Problem("conflict", { detail: `name: ${rule}`, fields: { name: [rule] } });
};
