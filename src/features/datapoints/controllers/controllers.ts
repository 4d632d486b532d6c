import type { Actor } from "../../../kernel/changes/changes.ts";
import type { Tx } from "../../../kernel/database/engine.ts";
import { isUniqueViolation } from "../../../kernel/database/faults.ts";
import { notFound, Problem } from "../../../kernel/errors.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { refuseFields } from "../refusals.ts";
import { addClearings, removeClearings } from "../retained-store.ts";
import { shorten } from "../texts.ts";
import type { ControllerLists } from "./lists.ts";
import { type Controller, controllerNameFault, emptyList, listTopic, listTopicFault } from "./model.ts";
import type { ControllerPatch } from "./schemas.ts";
import {
  deleteController,
  deletePairs,
  getController,
  insertController,
  listControllers,
  listPairs,
  lockController,
  updateController,
} from "./store.ts";
import { controllerChange, pairChange } from "./views.ts";

/** What may be done to controllers. Each call resolves when the lists follow it on this node. */
export class Controllers {
  readonly #kernel: Kernel;
  readonly #lists: ControllerLists;

  constructor(kernel: Kernel, lists: ControllerLists) {
    this.#kernel = kernel;
    this.#lists = lists;
  }

  /** @throws Problem `invalid-request`, `conflict` for a name or topic that is taken */
  create(input: ControllerPatch & { readonly name: string }, actor: Actor): Promise<Controller> {
    const wanted = { name: input.name, topic: topicOf(input, input.name) };
    checkFields(wanted);
    return this.#write(async (tx) => {
      await checkFree(tx, { id: 0, ...wanted });
      await removeClearings(tx, [wanted.topic]);
      const created = await insertController(tx, wanted);
      await this.#kernel.changes.record(tx, [controllerChange(actor, undefined, created)]);
      return created;
    });
  }

  /**
   * The topic stays unless it is given; the list on the old one is emptied.
   * @param check throws when the object is not as the caller believes (If-Match)
   */
  change(
    id: number,
    input: ControllerPatch,
    actor: Actor,
    check: (current: Controller) => void,
  ): Promise<Controller> {
    return this.#write(async (tx) => {
      if (!(await lockController(tx, id))) throw notFound("controller", id);
      const before = await getController(tx, id);
      check(before);
      const after = {
        id,
        name: input.name ?? before.name,
        topic: input.mqtt_topic_controlled_datapoints ?? before.topic,
      };
      checkFields(after);
      if (after.name === before.name && after.topic === before.topic) return before;
      await checkFree(tx, after);
      await updateController(tx, after);
      if (after.topic !== before.topic) {
        await addClearings(tx, [{ topic: before.topic, payload: emptyList }], this.#kernel.clock.now());
        await removeClearings(tx, [after.topic]);
      }
      await this.#kernel.changes.record(tx, [controllerChange(actor, before, after)]);
      return after;
    });
  }

  /** With its pairs. */
  async remove(id: number, actor: Actor, check: (current: Controller) => void): Promise<void> {
    await this.#write(async (tx) => {
      if (!(await lockController(tx, id))) throw notFound("controller", id);
      const controller = await getController(tx, id);
      check(controller);
      const pairs = await listPairs(tx, { controllerId: id });
      await deletePairs(
        tx,
        pairs.map((pair) => pair.id),
      );
      await deleteController(tx, id);
      await addClearings(tx, [{ topic: controller.topic, payload: emptyList }], this.#kernel.clock.now());
      await this.#kernel.changes.record(tx, [
        ...pairs.map((pair) => pairChange(actor, pair, undefined)),
        controllerChange(actor, controller, undefined),
      ]);
    });
  }

  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      const result = await this.#kernel.database.write(work);
      await this.#lists.settle();
      return result;
    } catch (error) {
      // Two requests at once; everything else is checked before it is written.
      if (isUniqueViolation(error))
        throw new Problem("conflict", {
          detail: "The name or the topic was taken meanwhile; send it again.",
          cause: error,
        });
      throw error;
    }
  }
}

const topicOf = (input: ControllerPatch, name: string): string =>
  input.mqtt_topic_controlled_datapoints ?? listTopic(name);

function checkFields({ name, topic }: Omit<Controller, "id">): void {
  const nameFault = controllerNameFault(name);
  const topicFault = listTopicFault(topic);
  const faults = {
    ...(nameFault === undefined ? {} : { name: [nameFault] }),
    ...(topicFault === undefined ? {} : { mqtt_topic_controlled_datapoints: [topicFault] }),
  };
  if (nameFault !== undefined || topicFault !== undefined) throw refuseFields(faults);
}

async function checkFree(tx: Tx, { id, name, topic }: Controller): Promise<void> {
  const isOther = (other: Controller) => other.id !== id;
  if ((await listControllers(tx, { name })).some(isOther))
    throw taken("name", `There is a controller ${shorten(name)} already.`);
  if ((await listControllers(tx, { topic })).some(isOther))
    throw taken("mqtt_topic_controlled_datapoints", `Another controller has the topic ${shorten(topic)}.`);
}

const taken = (field: string, rule: string): Problem =>
  new Problem("conflict", { detail: `${field}: ${rule}`, fields: { [field]: [rule] } });
