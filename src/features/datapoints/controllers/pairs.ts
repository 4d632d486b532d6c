import type { Actor } from "../../../kernel/changes/changes.ts";
import type { Tx } from "../../../kernel/database/engine.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../../../kernel/database/faults.ts";
import { Problem } from "../../../kernel/errors.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { lockConnectors } from "../connector-store.ts";
import type { DatapointType } from "../model.ts";
import { refuseFields } from "../refusals.ts";
import { findDatapoint, listDatapointsById } from "../store.ts";
import type { ControllerLists } from "./lists.ts";
import type { ControlledDatapoint } from "./model.ts";
import type { PairInput, PairPatch } from "./schemas.ts";
import {
  deletePairs,
  getPair,
  insertPair,
  listPairs,
  listPairsOfDatapoints,
  lockController,
  updatePair,
} from "./store.ts";
import { pairChange, pairView } from "./views.ts";

type NewPair = Omit<ControlledDatapoint, "id">;

/** What may be done to the pairs given to controllers. Each call resolves when the lists follow it on this node. */
export class ControlledDatapoints {
  readonly #kernel: Kernel;
  readonly #lists: ControllerLists;

  constructor(kernel: Kernel, lists: ControllerLists) {
    this.#kernel = kernel;
    this.#lists = lists;
  }

  /** @throws Problem `invalid-request` when the parts do not fit, `conflict` for a pair that is there already */
  create(input: PairInput, actor: Actor): Promise<ControlledDatapoint> {
    const wanted: NewPair = {
      controllerId: input.controller,
      sensorId: input.sensor_datapoint,
      actuatorId: input.actuator_datapoint,
      isActive: input.is_active ?? true,
      builtin: input.builtin ?? false,
    };
    return this.#write(async (tx) => {
      await lockParts(tx, [wanted]);
      await checkPair(tx, wanted);
      const created = await insertPair(tx, wanted);
      await this.#kernel.changes.record(tx, [pairChange(actor, undefined, created)]);
      return created;
    });
  }

  /** @param check throws when the object is not as the caller believes (If-Match) */
  change(
    id: number,
    input: PairPatch,
    actor: Actor,
    check: (current: ControlledDatapoint) => void,
  ): Promise<ControlledDatapoint> {
    return this.#write(async (tx) => {
      await lockParts(tx, [changed(await getPair(tx, id), input), await getPair(tx, id)]);
      const before = await getPair(tx, id);
      check(before);
      const after = changed(before, input);
      if (JSON.stringify(pairView(before)) === JSON.stringify(pairView(after))) return before;
      await checkPair(tx, after, id);
      await updatePair(tx, after);
      await this.#kernel.changes.record(tx, [pairChange(actor, before, after)]);
      return after;
    });
  }

  async remove(id: number, actor: Actor, check: (current: ControlledDatapoint) => void): Promise<void> {
    await this.#write(async (tx) => {
      await lockParts(tx, [await getPair(tx, id)]);
      const pair = await getPair(tx, id);
      check(pair);
      await deletePairs(tx, [id]);
      await this.#kernel.changes.record(tx, [pairChange(actor, pair, undefined)]);
    });
  }

  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      const result = await this.#kernel.database.write(work);
      await this.#lists.settle();
      return result;
    } catch (error) {
      // Two requests at once; everything else is checked before it is written.
      if (isUniqueViolation(error) || isForeignKeyViolation(error))
        throw new Problem("conflict", {
          detail: "The pair, or a part of it, was changed meanwhile; send it again.",
          cause: error,
        });
      throw error;
    }
  }
}

/** Removes the pairs of datapoints that go; the caller holds the locks on their connectors. */
export async function removePairsOf(
  tx: Tx,
  { changes }: Pick<Kernel, "changes">,
  datapoints: readonly number[],
  actor: Actor,
): Promise<void> {
  const pairs = await listPairsOfDatapoints(tx, datapoints);
  if (pairs.length === 0) return;
  await deletePairs(
    tx,
    pairs.map(({ id }) => id),
  );
  await changes.record(
    tx,
    pairs.map((pair) => pairChange(actor, pair, undefined)),
  );
}

const changed = (before: ControlledDatapoint, input: PairPatch): ControlledDatapoint => ({
  id: before.id,
  controllerId: input.controller ?? before.controllerId,
  sensorId: input.sensor_datapoint ?? before.sensorId,
  actuatorId: input.actuator_datapoint ?? before.actuatorId,
  isActive: input.is_active ?? before.isActive,
  builtin: input.builtin ?? before.builtin,
});

/** Connectors first, as whoever removes datapoints; so that what is checked stays true until the commit. */
async function lockParts(tx: Tx, pairs: readonly NewPair[]): Promise<void> {
  const ids = pairs.flatMap(({ sensorId, actuatorId }) => [sensorId, actuatorId]);
  const datapoints = await listDatapointsById(tx, ids);
  await lockConnectors(
    tx,
    datapoints.map(({ connectorId }) => connectorId),
  );
  const controllers = new Set(pairs.map(({ controllerId }) => controllerId));
  for (const id of [...controllers].sort((a, b) => a - b)) await lockController(tx, id);
}

/** @param id of the pair itself, when it exists already */
async function checkPair(tx: Tx, pair: NewPair, id?: number): Promise<void> {
  const faults: Record<string, string[]> = {};
  if (!(await lockController(tx, pair.controllerId)))
    faults["controller"] = [`There is no controller ${pair.controllerId}.`];
  await checkPart(tx, "sensor", pair.sensorId, faults);
  await checkPart(tx, "actuator", pair.actuatorId, faults);
  if (Object.keys(faults).length > 0) throw refuseFields(faults);
  const others = (await listPairs(tx, { actuatorId: pair.actuatorId })).filter((other) => other.id !== id);
  if (others.some((other) => other.controllerId === pair.controllerId && other.sensorId === pair.sensorId))
    throw taken(
      `Sensor ${pair.sensorId} and actuator ${pair.actuatorId} are given to this controller already.`,
    );
  const rival = pair.builtin && pair.isActive ? others.find((one) => one.builtin && one.isActive) : undefined;
  if (rival)
    throw taken(
      `Actuator ${pair.actuatorId} is controlled by the built-in controller already, by controlled datapoint ${rival.id}.`,
    );
}

async function checkPart(
  tx: Tx,
  type: DatapointType,
  id: number,
  faults: Record<string, string[]>,
): Promise<void> {
  const datapoint = await findDatapoint(tx, id);
  if (!datapoint) faults[`${type}_datapoint`] = [`There is no datapoint ${id}.`];
  else if (datapoint.type !== type)
    faults[`${type}_datapoint`] = [`Datapoint ${id} is ${article[datapoint.type]}, not ${article[type]}.`];
}

const article: Readonly<Record<DatapointType, string>> = { sensor: "a sensor", actuator: "an actuator" };

const taken = (rule: string): Problem =>
  new Problem("conflict", { detail: rule, fields: { non_field_errors: [rule] } });
