import type { Actor, Change } from "../../kernel/changes/changes.ts";
import type { Millis } from "../../kernel/time.ts";
import { type Connector, type Datapoint, isAlive, kindsOf, messageTopic, topicsOf } from "./model.ts";
import type { DatapointCounts } from "./store.ts";
import type { ValueMessage } from "./values.ts";

/** Exactly the documented fields of a datapoint, in lists. */
export const datapointView = (datapoint: Datapoint) => ({
  id: datapoint.id,
  connector: { name: datapoint.connector },
  key_in_connector: datapoint.key,
  type: datapoint.type,
  data_format: datapoint.dataFormat,
  short_name: datapoint.shortName,
  description: datapoint.description,
  min_value: datapoint.minValue,
  max_value: datapoint.maxValue,
  allowed_values: datapoint.allowedValues,
  unit: datapoint.unit,
});

/** A single datapoint, which may be inactive; what its entity tag is made from, and what is recorded of it. */
export const singleView = (datapoint: Datapoint) => ({
  ...datapointView(datapoint),
  is_active: datapoint.isActive,
});

/** With what comes from the device, too. */
export const fullView = (datapoint: Datapoint, last: ValueMessage | null, control: boolean) => ({
  ...singleView(datapoint),
  example_value: datapoint.exampleValue,
  last_value: last,
  topics: Object.fromEntries(
    kindsOf(datapoint.type, control).map((kind) => [
      kind,
      messageTopic(datapoint.connector, datapoint.id, kind),
    ]),
  ),
});

/** What is recorded of a connector, and what its entity tag is made from: nothing that a heartbeat changes. */
export const connectorRecord = (connector: Connector) => ({
  id: connector.id,
  name: connector.name,
  added: connector.added,
  last_changed: connector.lastChanged,
});

export const connectorView = (connector: Connector, counts: DatapointCounts | undefined, now: Millis) => ({
  ...connectorRecord(connector),
  alive: isAlive(connector, now),
  last_heartbeat: connector.lastHeartbeat,
  next_heartbeat: connector.nextHeartbeat,
  available_datapoints: counts?.available ?? 0,
  active_datapoints: counts?.active ?? 0,
  topics: topicsOf(connector.name),
});

export const datapointChange = (
  actor: Actor,
  before: Datapoint | undefined,
  after: Datapoint | undefined,
): Change => ({
  actor,
  action: before ? (after ? "update" : "delete") : "create",
  resource: "datapoint",
  object: String(before?.id ?? after?.id),
  before: before ? singleView(before) : null,
  after: after ? singleView(after) : null,
});

export const connectorChange = (
  actor: Actor,
  before: Connector | undefined,
  after: Connector | undefined,
): Change => ({
  actor,
  action: before ? (after ? "update" : "delete") : "create",
  resource: "connector",
  object: String(before?.id ?? after?.id),
  before: before ? connectorRecord(before) : null,
  after: after ? connectorRecord(after) : null,
});
