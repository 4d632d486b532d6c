import type { MessageKind } from "./model.ts";

/** What the API's description shows of requests and answers; a test holds each against its schema. */

const time = 1_795_317_360_000;

const metadata = {
  connector: { name: "house" },
  key_in_connector: "living_room/temperature",
  type: "sensor",
  data_format: "continuous_numeric",
  short_name: "Living room",
  description: "Beside the door",
  min_value: -20,
  max_value: 50,
  allowed_values: null,
  unit: "°C",
};

export const datapointInputExample = metadata;
export const datapointExample = { id: 7, ...metadata };
export const datapointPatchExample = { is_active: true, unit: "°C" };
export const idListExample = { ids: [7, 8] };

const interval = { from_timestamp: time, to_timestamp: time + 3_600_000 };

/** As they are written and read, the values being JSON text. */
export const messageExamples: Readonly<Record<MessageKind, Readonly<Record<string, unknown>>>> = {
  value: { value: "22.5", timestamp: time },
  setpoint: {
    setpoint: [{ ...interval, preferred_value: "21", min_value: 20, max_value: 22 }],
    timestamp: time,
  },
  schedule: { schedule: [{ ...interval, value: "1" }], timestamp: time },
};

export const upsertExample = { msgs_created: 96, msgs_updated: 0 };
export const alignedExample = { timestamp: time, values: { 7: "22.5", 8: null } };
export const lastExample = (kind: MessageKind) => ({ msgs_by_datapoint_id: { 7: messageExamples[kind] } });

export const connectorInputExample = { name: "house" };
export const connectorExample = {
  id: 1,
  name: "house",
  added: time,
  last_changed: time,
  alive: true,
  last_heartbeat: time,
  next_heartbeat: time + 30_000,
  available_datapoints: 12,
  active_datapoints: 10,
  topics: { heartbeat: "house/heartbeat", datapoint_map: "house/datapoint_map" },
};
export const logExample = { id: 1, timestamp: time, level: 20, emitter: "main", msg: "Connected." };
export const discoveredExample = {
  name: "garage",
  last_heard: time,
  alive: true,
  next_heartbeat: time + 30_000,
  sensors: 3,
  actuators: 0,
  can_be_added: true,
};
