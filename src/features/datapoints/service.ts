import type { Actor } from "../../kernel/changes/changes.ts";
import type { Tx } from "../../kernel/database/engine.ts";
import { isUniqueViolation } from "../../kernel/database/faults.ts";
import { invalidField, Problem } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { updateDatapoints } from "./bulk-updates.ts";
import { insertConnectors, lockConnectors } from "./connector-store.ts";
import { combinedFaults, hasFaults } from "./fields.ts";
import { unknownDatapoint } from "./intake.ts";
import {
  addFault,
  checkIdentity,
  checkShortNames,
  findConnector,
  findConnectors,
  findTarget,
  type Item,
  identityOf,
  itemOf,
  knownDatapoints,
  refuseFaulty,
} from "./items.ts";
import { type Connector, connectorNameFault, type Datapoint, type NewDatapoint } from "./model.ts";
import { refuseFields } from "./refusals.ts";
import type { DatapointInput, DatapointPatch } from "./schemas.ts";
import { getDatapoint, insertDatapoints, listDatapointsById, setActive } from "./store.ts";
import { followUnits } from "./stream-owner.ts";
import { ensureActiveStreams, removeDatapoints } from "./streams.ts";
import { shorten } from "./texts.ts";
import type { Topics } from "./topics.ts";
import { connectorChange, datapointChange } from "./views.ts";

/** What may be done to datapoints. Each call resolves when subscriptions follow it on this node. */
export class Datapoints {
  readonly #kernel: Kernel;
  readonly #topics: Topics;

  constructor(kernel: Kernel, topics: Topics) {
    this.#kernel = kernel;
    this.#topics = topics;
  }

  /**
   * Creates all, inactive, or none; connectors that are new as well.
   * @throws Problem `invalid-request` with `items`
   */
  createMany(inputs: readonly DatapointInput[], actor: Actor): Promise<readonly Datapoint[]> {
    return this.#write(async (tx) => {
      const items = inputs.map(itemOf);
      const connectors = await this.#ensureConnectors(tx, items, actor);
      const known = await knownDatapoints(tx, items, connectors);
      const fresh = items.map((item): NewDatapoint => {
        const connector = connectors.get(item.input.connector.name);
        const datapoint: NewDatapoint = {
          ...unknownDatapoint(connector?.id ?? 0, item.input.connector.name),
          type: "sensor",
          key: item.input.key_in_connector,
          ...item.fields,
          isActive: false,
        };
        const taken = known.get(identityOf(datapoint));
        if (taken !== undefined && connector)
          addFault(
            item,
            "datapoint",
            `The ${datapoint.type} ${shorten(datapoint.key)} of connector ${shorten(connector.name)} exists already.`,
          );
        known.set(identityOf(datapoint), datapoint);
        return datapoint;
      });
      await checkShortNames(tx, items, fresh);
      refuseFaulty(items, fresh);
      const created = await insertDatapoints(tx, fresh);
      if (created.length < fresh.length)
        throw new Problem("conflict", { detail: "A datapoint was created meanwhile; send it again." });
      await this.#kernel.changes.record(
        tx,
        created.map((datapoint) => datapointChange(actor, undefined, datapoint)),
      );
      return created;
    });
  }

  /**
   * Overwrites the given fields of all or none, found by connector, key and, where given, type.
   * @throws Problem `invalid-request` with `items`
   */
  updateMany(inputs: readonly DatapointInput[], actor: Actor): Promise<readonly Datapoint[]> {
    return this.#write(async (tx) => {
      const items = inputs.map(itemOf);
      const connectors = await findConnectors(tx, items);
      await lockConnectors(
        tx,
        [...connectors.values()].map(({ id }) => id),
      );
      const known = await knownDatapoints(tx, items, connectors);
      const before = new Map<number, Datapoint>();
      const after = new Map<number, Datapoint>();
      const targets = items.map((item): Datapoint | undefined => {
        const target = findTarget(item, connectors, known);
        if (!target) return undefined;
        before.set(target.id, target);
        const changed = { ...(after.get(target.id) ?? target), ...item.fields };
        after.set(target.id, changed);
        return changed;
      });
      await checkShortNames(tx, items, targets);
      refuseFaulty(items, targets);
      await this.#update(tx, before, [...after.values()], actor);
      return targets.flatMap((target) => (target ? (after.get(target.id) ?? []) : []));
    });
  }

  /** @param check throws when the object is not as the caller believes (If-Match) */
  patch(
    id: number,
    input: DatapointPatch,
    actor: Actor,
    check: (current: Datapoint) => void,
  ): Promise<Datapoint> {
    return this.#write(async (tx) => {
      const { connectorId } = await getDatapoint(tx, id);
      const connector = await findConnector(tx, input.connector?.name);
      await lockConnectors(tx, connector ? [connectorId, connector.id] : [connectorId]);
      const current = await getDatapoint(tx, id);
      check(current);
      const item = itemOf(input);
      const moved = connector ? { connectorId: connector.id, connector: connector.name } : {};
      const changed = { ...current, ...item.fields, ...moved };
      await checkShortNames(tx, [item], [changed]);
      await checkIdentity(tx, item, current, changed);
      const all = { ...item.faults, ...combinedFaults(changed) };
      if (hasFaults(all)) throw refuseFields(all);
      await this.#update(tx, new Map([[id, current]]), [changed], actor);
      return getDatapoint(tx, id);
    });
  }

  /** @returns the ids that changed */
  setActive(ids: readonly number[], isActive: boolean, actor: Actor): Promise<readonly number[]> {
    return this.#write(async (tx) => {
      const wanted = await listDatapointsById(tx, ids);
      if (wanted.length < new Set(ids).size) {
        const present = new Set(wanted.map(({ id }) => id));
        const missing = ids.filter((id) => !present.has(id));
        throw invalidField(
          "ids",
          `There is no datapoint ${missing.slice(0, 20).join(", ")}. Nothing was changed.`,
        );
      }
      await lockConnectors(
        tx,
        wanted.map(({ connectorId }) => connectorId),
      );
      const before = (await listDatapointsById(tx, ids)).filter(
        (datapoint) => datapoint.isActive !== isActive,
      );
      const changed = before.map(({ id }) => id);
      if (isActive) await ensureActiveStreams(tx, this.#kernel, before);
      await setActive(tx, changed, isActive);
      await this.#kernel.changes.record(
        tx,
        before.map((datapoint) => datapointChange(actor, datapoint, { ...datapoint, isActive })),
      );
      return changed;
    });
  }

  /** With everything that was stored of it. */
  remove(id: number, actor: Actor, check: (current: Datapoint) => void): Promise<void> {
    return this.#write(async (tx) => {
      await lockConnectors(tx, [(await getDatapoint(tx, id)).connectorId]);
      const current = await getDatapoint(tx, id);
      check(current);
      await removeDatapoints(tx, this.#kernel, [current], actor);
    });
  }

  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      const result = await this.#kernel.database.write(work);
      await this.#topics.settle();
      return result;
    } catch (error) {
      // Two requests at once; everything else is checked before it is written.
      if (isUniqueViolation(error))
        throw new Problem("conflict", {
          detail: "A name or key was taken meanwhile; send it again.",
          cause: error,
        });
      throw error;
    }
  }

  async #update(
    tx: Tx,
    before: ReadonlyMap<number, Datapoint>,
    after: readonly Datapoint[],
    actor: Actor,
  ): Promise<void> {
    const active = after.filter(({ isActive }) => isActive);
    await ensureActiveStreams(tx, this.#kernel, active);
    const changed = after
      .map((datapoint) => datapointChange(actor, before.get(datapoint.id), datapoint))
      .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.after));
    const ids = new Set(changed.map((change) => change.object));
    await updateDatapoints(
      tx,
      after.filter(({ id }) => ids.has(String(id))),
    );
    await followUnits(tx, this.#kernel.timeseries, before, after);
    await this.#kernel.changes.record(tx, changed);
  }

  async #ensureConnectors(
    tx: Tx,
    items: readonly Item[],
    actor: Actor,
  ): Promise<ReadonlyMap<string, Connector>> {
    for (const item of items) {
      const fault = connectorNameFault(item.input.connector.name);
      if (fault !== undefined) addFault(item, "connector", fault);
    }
    const found = new Map(await findConnectors(tx, items));
    const names = new Set(
      items.filter((item) => !item.faults["connector"]).map((item) => item.input.connector.name),
    );
    const fresh = [...names].filter((name) => !found.has(name));
    const created = await insertConnectors(tx, fresh, this.#kernel.clock.now());
    for (const connector of created) found.set(connector.name, connector);
    await lockConnectors(
      tx,
      [...found.values()].map(({ id }) => id),
    );
    await this.#kernel.changes.record(
      tx,
      created.map((connector) => connectorChange(actor, undefined, connector)),
    );
    return found;
  }
}
