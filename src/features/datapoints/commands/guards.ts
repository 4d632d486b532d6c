import type { Actor } from "../../../kernel/changes/changes.ts";
import type { Tx } from "../../../kernel/database/engine.ts";
import { invalidField, notFound } from "../../../kernel/errors.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { checkActuator } from "../messages.ts";
import { type Datapoint, valueFault } from "../model.ts";
import { findDatapoint, getDatapoint } from "../store.ts";
import { decodeWritten, pointOf, sizeFault, type WireForm } from "../values.ts";
import { type Expiry, type Guard, limitRefusal } from "./guard.ts";
import { findGuard, lockGuards, putGuard, removeGuard } from "./guard-store.ts";
import type { Feedback } from "./model.ts";
import type { GuardInput } from "./schemas.ts";
import { guardView } from "./views.ts";

/** What may be done to the guard rails of an actuator. */
export class Guards {
  readonly #kernel: Pick<Kernel, "database" | "changes">;

  constructor(kernel: Pick<Kernel, "database" | "changes">) {
    this.#kernel = kernel;
  }

  /** @throws Problem `not-found` for a datapoint without */
  async get(id: number): Promise<Guard> {
    const { read } = this.#kernel.database;
    await getDatapoint(read, id);
    return (await findGuard(read, id)) ?? refuseMissing(id);
  }

  /**
   * Replaces them whole. An expiry that runs goes on from its begin.
   * @param check throws when they are not as the caller believes (If-Match)
   * @throws Problem `invalid-request`
   */
  put(
    id: number,
    input: GuardInput,
    form: WireForm,
    actor: Actor,
    check: (current: Guard | undefined) => void,
  ): Promise<{ readonly guard: Guard; readonly created: boolean }> {
    return this.#kernel.database.write(async (tx) => {
      const datapoint = await getDatapoint(tx, id);
      checkActuator(datapoint);
      const before = (await lockGuards(tx, [id])).get(id);
      check(before);
      const guard = await readGuard(tx, datapoint, input, form);
      await putGuard(tx, guard, before);
      await this.#record(tx, id, before, guard, actor);
      return { guard, created: before === undefined };
    });
  }

  remove(id: number, actor: Actor, check: (current: Guard) => void): Promise<void> {
    return this.#kernel.database.write(async (tx) => {
      await getDatapoint(tx, id);
      const before = (await lockGuards(tx, [id])).get(id) ?? refuseMissing(id);
      check(before);
      await removeGuard(tx, id);
      await this.#record(tx, id, before, undefined, actor);
    });
  }

  #record(
    tx: Tx,
    id: number,
    before: Guard | undefined,
    after: Guard | undefined,
    actor: Actor,
  ): Promise<void> {
    const change = {
      actor,
      action: before ? (after ? "update" : "delete") : "create",
      resource: "datapointguard",
      object: String(id),
      before: before ? guardView(before, "native") : null,
      after: after ? guardView(after, "native") : null,
    } as const;
    return this.#kernel.changes.record(tx, [change]);
  }
}

const refuseMissing = (id: number): never => {
  throw notFound("guard of datapoint", id);
};

async function readGuard(tx: Tx, datapoint: Datapoint, input: GuardInput, form: WireForm): Promise<Guard> {
  const { min = null, max = null, max_rate: maxRate = null, min_interval: seconds = null } = input;
  if (min !== null && max !== null && min > max)
    throw invalidField("min", `${min} is greater than max, ${max}.`);
  const limits: Guard = {
    datapoint: datapoint.id,
    min,
    max,
    maxRate,
    minInterval: seconds === null ? null : Math.ceil(seconds * 1000),
    feedback: await readFeedback(tx, input.feedback ?? null),
    expiry: null,
  };
  return { ...limits, expiry: readExpiry(datapoint, limits, input.expiry ?? null, form) };
}

async function readFeedback(
  tx: Tx,
  input: NonNullable<GuardInput["feedback"]> | null,
): Promise<Feedback | null> {
  if (!input) return null;
  const { datapoint: id, tolerance = 0, deadline } = input;
  const datapoint = await findDatapoint(tx, id);
  if (!datapoint) throw invalidField("feedback", `There is no datapoint ${id}.`);
  if (!datapoint.isActive)
    throw invalidField("feedback", `Datapoint ${id} is not active: nothing would be heard from it.`);
  return { datapoint: id, tolerance, within: Math.round(deadline * 1000) };
}

/** The safe value must be one that could be written. */
function readExpiry(
  datapoint: Datapoint,
  limits: Guard,
  input: NonNullable<GuardInput["expiry"]> | null,
  form: WireForm,
): Expiry | null {
  if (!input) return null;
  const decoded = decodeWritten(input.value, form);
  if ("fault" in decoded) throw invalidField("expiry", decoded.fault);
  const { value } = decoded;
  const fault =
    sizeFault(value) ??
    valueFault(datapoint, value) ??
    limitRefusal(limits, typeof value === "number" ? [value] : [])?.detail;
  if (fault !== undefined) throw invalidField("expiry", fault);
  return { after: Math.round(input.after * 1000), value: pointOf(value) };
}
