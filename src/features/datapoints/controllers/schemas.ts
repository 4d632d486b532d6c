import { type Static, Type } from "typebox";
import { pageQuery } from "../../../kernel/http/paging.ts";

const name = Type.String();
const topic = Type.Optional(
  Type.String({ description: "Where its list is published, retained. Default: NAME/controlled_datapoints." }),
);

const exampleController = {
  name: "heating",
  mqtt_topic_controlled_datapoints: "heating/controlled_datapoints",
};

export const controllerInput = Type.Object(
  { name, mqtt_topic_controlled_datapoints: topic },
  { examples: [exampleController] },
);
export const controllerPatch = Type.Object(
  { name: Type.Optional(name), mqtt_topic_controlled_datapoints: topic },
  { examples: [{ name: "heating-east" }] },
);
export type ControllerPatch = Static<typeof controllerPatch>;

export const controllerObject = Type.Object(
  {
    id: Type.Integer(),
    name: Type.String(),
    mqtt_topic_controlled_datapoints: Type.String(),
  },
  { examples: [{ id: 1, ...exampleController }] },
);
export const controllerList = Type.Array(controllerObject);

const text = Type.Optional(Type.String());

export const controllerQuery = Type.Object({
  ...pageQuery,
  name: text,
  name__icontains: text,
  mqtt_topic_controlled_datapoints: text,
});

const id = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const isActive = Type.Optional(
  Type.Boolean({ description: "Default true. Others are not given to the controller." }),
);
const builtin = Type.Optional(
  Type.Boolean({
    description:
      "Default false. Busbar itself controls the actuator by its setpoint, its schedule and the sensor; the pair is not " +
      "in the list for the other controller.",
  }),
);

const examplePair = {
  controller: 1,
  sensor_datapoint: 3,
  actuator_datapoint: 4,
  is_active: true,
  builtin: false,
};

export const pairInput = Type.Object(
  {
    controller: id,
    sensor_datapoint: id,
    actuator_datapoint: id,
    is_active: isActive,
    builtin,
  },
  { examples: [examplePair] },
);
export const pairPatch = Type.Object(
  {
    controller: Type.Optional(id),
    sensor_datapoint: Type.Optional(id),
    actuator_datapoint: Type.Optional(id),
    is_active: isActive,
    builtin,
  },
  { examples: [{ builtin: true }] },
);
export type PairPatch = Static<typeof pairPatch>;
export type PairInput = Static<typeof pairInput>;

export const pairObject = Type.Object(
  {
    id: Type.Integer(),
    controller: Type.Integer(),
    sensor_datapoint: Type.Integer(),
    actuator_datapoint: Type.Integer(),
    is_active: Type.Boolean(),
    builtin: Type.Boolean(),
  },
  { examples: [{ id: 1, ...examplePair }] },
);
export const pairList = Type.Array(pairObject);

const idFilter = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }));
const flag = Type.Optional(Type.Boolean());

export const pairQuery = Type.Object({
  ...pageQuery,
  controller: idFilter,
  sensor_datapoint: idFilter,
  actuator_datapoint: idFilter,
  is_active: flag,
  builtin: flag,
});
export type PairQuery = Static<typeof pairQuery>;
