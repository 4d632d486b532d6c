import type { Actor, Change } from "../../../kernel/changes/changes.ts";
import type { ControlledDatapoint, Controller } from "./model.ts";

export const controllerView = ({ id, name, topic }: Controller) => ({
  id,
  name,
  mqtt_topic_controlled_datapoints: topic,
});

export const pairView = (pair: ControlledDatapoint) => ({
  id: pair.id,
  controller: pair.controllerId,
  sensor_datapoint: pair.sensorId,
  actuator_datapoint: pair.actuatorId,
  is_active: pair.isActive,
  builtin: pair.builtin,
});

const changeOf = (
  actor: Actor,
  resource: string,
  before: { readonly id: number } | null,
  after: { readonly id: number } | null,
): Change => ({
  actor,
  action: before ? (after ? "update" : "delete") : "create",
  resource,
  object: String(before?.id ?? after?.id),
  before,
  after,
});

export const controllerChange = (
  actor: Actor,
  before: Controller | undefined,
  after: Controller | undefined,
): Change =>
  changeOf(actor, "controller", before ? controllerView(before) : null, after ? controllerView(after) : null);

export const pairChange = (
  actor: Actor,
  before: ControlledDatapoint | undefined,
  after: ControlledDatapoint | undefined,
): Change =>
  changeOf(actor, "controlleddatapoint", before ? pairView(before) : null, after ? pairView(after) : null);
