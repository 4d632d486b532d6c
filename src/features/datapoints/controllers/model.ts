import { messageTopic, nameFault } from "../model.ts";
import { shorten } from "../texts.ts";

/** Whoever decides what actuators do: it reads on its topic which sensors and actuators it is given. */
export interface Controller {
  readonly id: number;
  readonly name: string;
  /** MQTT topic of its list. */
  readonly topic: string;
}

/** A sensor and an actuator given to a controller. */
export interface ControlledDatapoint {
  readonly id: number;
  readonly controllerId: number;
  readonly sensorId: number;
  readonly actuatorId: number;
  readonly isActive: boolean;
  /** Busbar itself is the controller: the pair is not in the list for the other one. */
  readonly builtin: boolean;
}

export const listTopic = (controller: string): string => `${controller}/controlled_datapoints`;

const maxControllerName = 200;

/** Why a controller cannot have this name; undefined when it can. */
export function controllerNameFault(name: string): string | undefined {
  const shown = shorten(name);
  if (name.trim() === "") return "This field may not be blank.";
  if (name.trim() !== name) return `${shown} must not begin or end with a blank.`;
  if (name.length > maxControllerName) return `${shown} must have at most ${maxControllerName} characters.`;
  return nameFault(name);
}

/** What connectors publish and read below their name, which is any first level. */
const connectorLevels: ReadonlySet<string> = new Set([
  "logs",
  "heartbeat",
  "available_datapoints",
  "datapoint_map",
  "raw_message_to_db",
  "raw_message_reprocess",
]);

/** Why the list of a controller cannot be published there; undefined when it can. */
export function listTopicFault(topic: string): string | undefined {
  const shown = shorten(topic);
  if (topic === "") return "This field may not be blank.";
  if (/[+#]/.test(topic)) return `${shown} must not contain + or #: messages are published to one topic.`;
  if (topic.startsWith("$")) return `${shown} must not begin with $: such topics belong to the broker.`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\u0000-\u001f\u007f-\u009f]/.test(topic)) return `${shown} must not contain control characters.`;
  const [, second = "", ...rest] = topic.split("/");
  if (second === "messages" || (rest.length === 0 && connectorLevels.has(second)))
    return `${shown} is a topic of connectors: what follows the first level means messages of theirs.`;
  return nameFault(topic);
}

/** What a controller must know of a pair. */
export interface ListedPair {
  readonly sensor: { readonly id: number; readonly connector: string };
  readonly actuator: { readonly id: number; readonly connector: string };
}

/** JSON text of a controller's list. */
export const listText = (pairs: readonly ListedPair[]): string =>
  JSON.stringify(
    pairs.map(({ sensor, actuator }) => ({
      sensor: { value: messageTopic(sensor.connector, sensor.id, "value") },
      actuator: {
        value: messageTopic(actuator.connector, actuator.id, "value"),
        setpoint: messageTopic(actuator.connector, actuator.id, "setpoint"),
        schedule: messageTopic(actuator.connector, actuator.id, "schedule"),
      },
    })),
  );

/** On topics no longer in use: a controller reads that it has nothing, where an empty payload would be no JSON to it. */
export const emptyList = listText([]);
