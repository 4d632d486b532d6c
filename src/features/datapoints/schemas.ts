import { type Static, type TObject, Type } from "typebox";
import { pageQuery } from "../../kernel/http/paging.ts";
import * as examples from "./examples.ts";
import { dataFormats, datapointTypes, type MessageKind } from "./model.ts";

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

const connectorReference = Type.Object({ name: Type.String() });

const json = (description: string) => Type.Unknown({ description });

/** The fields of a datapoint that may be written, all optional. */
const writable = {
  is_active: Type.Optional(Type.Boolean({ description: "Ignored on creation: new ones are inactive." })),
  data_format: Type.Optional(Type.Enum(dataFormats)),
  short_name: Type.Optional(nullable(Type.String({ description: "Unique; an empty one is null." }))),
  description: Type.Optional(Type.String()),
  unit: Type.Optional(Type.String()),
  min_value: Type.Optional(Type.Union([Type.Number(), Type.String(), Type.Null()])),
  max_value: Type.Optional(Type.Union([Type.Number(), Type.String(), Type.Null()])),
  allowed_values: Type.Optional(json("An array of values, or null.")),
};

export const datapointInput = Type.Object(
  {
    connector: connectorReference,
    key_in_connector: Type.String(),
    type: Type.Optional(Type.Enum(datapointTypes)),
    ...writable,
  },
  { examples: [examples.datapointInputExample] },
);
export type DatapointInput = Static<typeof datapointInput>;

export const datapointPatch = Type.Object(
  {
    connector: Type.Optional(connectorReference),
    key_in_connector: Type.Optional(Type.String()),
    type: Type.Optional(Type.Enum(datapointTypes)),
    ...writable,
  },
  { examples: [examples.datapointPatchExample] },
);
export type DatapointPatch = Static<typeof datapointPatch>;

const datapointFields = {
  id: Type.Integer(),
  connector: connectorReference,
  key_in_connector: Type.String(),
  type: Type.Enum(datapointTypes),
  data_format: Type.Enum(dataFormats),
  short_name: nullable(Type.String()),
  description: Type.String(),
  min_value: nullable(Type.Number()),
  max_value: nullable(Type.Number()),
  allowed_values: json("An array of values, or null."),
  unit: Type.String(),
};

const timestamp = Type.Integer({ description: "Milliseconds since 1970-01-01 UTC." });

const shapes = {
  value: "JSON text in a string; with values=native the value itself.",
  setpoint:
    "A list of items, or null: from_timestamp and to_timestamp (milliseconds, or null for at once and until replaced), " +
    "preferred_value (JSON text in a string; with values=native the value itself), and the range of the sensor's values " +
    "that are accepted: acceptable_values (required for discrete datapoints), min_value and max_value (both required for " +
    "continuous_numeric).",
  schedule:
    "A list of items: from_timestamp and to_timestamp (milliseconds, or null for at once and until replaced) and value " +
    "(JSON text in a string; with values=native the value itself).",
} as const satisfies Record<MessageKind, string>;

const valueMessage = Type.Object(
  { value: json(shapes.value), timestamp },
  { examples: [examples.messageExamples.value] },
);

/** A message as it is answered, by its kind. */
export const messageObjects: Readonly<Record<MessageKind, TObject>> = {
  value: valueMessage,
  setpoint: Type.Object(
    { setpoint: json(shapes.setpoint), timestamp },
    { examples: [examples.messageExamples.setpoint] },
  ),
  schedule: Type.Object(
    { schedule: json(shapes.schedule), timestamp },
    { examples: [examples.messageExamples.schedule] },
  ),
};

const datapointDetails = {
  is_active: Type.Optional(Type.Boolean()),
  example_value: Type.Optional(json("As the connector announced it.")),
  last_value: Type.Optional(nullable(valueMessage)),
  topics: Type.Optional(
    Type.Object({
      value: Type.String(),
      setpoint: Type.Optional(Type.String({ description: "Of actuators." })),
      schedule: Type.Optional(Type.String({ description: "Of actuators." })),
    }),
  ),
};

export const datapointObject = Type.Object(
  { ...datapointFields, ...datapointDetails },
  { examples: [examples.datapointExample] },
);
export const datapointList = Type.Array(datapointObject);

export const idParams = Type.Object({ id: Type.String({ pattern: "^[0-9]{1,15}$" }) });
export const messageParams = Type.Object({
  id: Type.String({ pattern: "^[0-9]{1,15}$" }),
  timestamp: Type.String({ pattern: "^[0-9]{1,15}$" }),
});

const detailQuery = {
  detail: Type.Optional(
    Type.Union([Type.Literal("full"), Type.Literal("")], { description: "`full` adds fields." }),
  ),
};

const text = (description?: string) =>
  Type.Optional(Type.String(description === undefined ? {} : { description }));

export const datapointQuery = Type.Object({
  ...detailQuery,
  ...pageQuery,
  is_active: Type.Optional(
    Type.Union([Type.Literal("true"), Type.Literal("false"), Type.Literal("all"), Type.Literal("")], {
      description: "Default true.",
    }),
  ),
  id__in: text("Ids separated by commas."),
  connector__name: text(),
  connector__name__icontains: text(),
  key_in_connector: text(),
  key_in_connector__icontains: text(),
  short_name: text(),
  short_name__icontains: text(),
  description: text(),
  description__icontains: text(),
  type: text("sensor or actuator."),
  data_format: text(),
  data_format__icontains: text(),
  unit: text(),
  unit__icontains: text(),
  ...formQuery(),
});
export type DatapointQuery = Static<typeof datapointQuery>;

export const detailOnlyQuery = Type.Object({ ...detailQuery, ...formQuery() });

export const idList = Type.Object(
  {
    ids: Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), { maxItems: 100_000 }),
  },
  { examples: [examples.idListExample] },
);

function formQuery() {
  return {
    values: Type.Optional(
      Type.Union([Type.Literal("text"), Type.Literal("native"), Type.Literal("")], {
        description: "`text` (default): values are JSON text in strings. `native`: values are JSON values.",
      }),
    ),
  };
}

const timestampQuery = {
  timestamp__gte: text("Milliseconds since 1970-01-01 UTC; decimals are allowed."),
  timestamp__gt: text(),
  timestamp__lte: text(),
  timestamp__lt: text(),
};

export const messageQuery = Type.Object({ ...timestampQuery, ...formQuery(), ...pageQuery });
export type MessageQuery = Static<typeof messageQuery>;

export const valueQuery = Type.Object({
  ...messageQuery.properties,
  interval: text(
    "Width of time buckets, `15 minutes` or `PT15M`: the mean of each bucket at its left edge, for those that hold a " +
      "point. Days and months are those of UTC.",
  ),
});
export type ValueQuery = Static<typeof valueQuery>;

export const alignedQuery = Type.Object({
  ...valueQuery.properties,
  ids: Type.String({ description: "Datapoints by id, separated by commas; 100 at most." }),
});
export type AlignedQuery = Static<typeof alignedQuery>;

export const alignedList = Type.Array(
  Type.Object(
    {
      timestamp: Type.Integer({ description: "Milliseconds since 1970-01-01 UTC." }),
      values: Type.Record(Type.String(), json("By datapoint, as in messages; null where it has none then.")),
    },
    { examples: [examples.alignedExample] },
  ),
);

export const formOnlyQuery = Type.Object(formQuery());

export const lastQuery = Type.Object({
  ...timestampQuery,
  ...formQuery(),
  datapoint__id__in: text("Ids separated by commas."),
});
export type TimestampQuery = Pick<MessageQuery, keyof typeof timestampQuery>;

const writtenTimestamp = Type.Union([Type.Integer(), Type.String()], {
  description: "Milliseconds since 1970-01-01 UTC.",
});

/** A message as it is written, by its kind. What a setpoint or schedule holds is checked by `readTimedItems`. */
export const messageInputs: Readonly<Record<MessageKind, TObject>> = {
  value: Type.Object(
    {
      value: json(
        "JSON text in a string, or a JSON value that is no string; with values=native any JSON value.",
      ),
      timestamp: writtenTimestamp,
    },
    { examples: [examples.messageExamples.value] },
  ),
  setpoint: Type.Object(
    { setpoint: json(shapes.setpoint), timestamp: writtenTimestamp },
    { examples: [examples.messageExamples.setpoint] },
  ),
  schedule: Type.Object(
    { schedule: json(shapes.schedule), timestamp: writtenTimestamp },
    { examples: [examples.messageExamples.schedule] },
  ),
};
export interface MessageInput extends Partial<Readonly<Record<MessageKind, unknown>>> {
  readonly timestamp: number | string;
}

export const upsertSummary = Type.Object(
  { msgs_created: Type.Integer(), msgs_updated: Type.Integer() },
  { examples: [examples.upsertExample] },
);

const lastMessages = (kind: MessageKind) =>
  Type.Object(
    { msgs_by_datapoint_id: Type.Record(Type.String(), messageObjects[kind]) },
    { examples: [examples.lastExample(kind)] },
  );

/** The newest message of each datapoint, by kind. */
export const lastObjects = {
  value: lastMessages("value"),
  setpoint: lastMessages("setpoint"),
  schedule: lastMessages("schedule"),
};

export const connectorInput = Type.Object(
  { name: Type.String() },
  { examples: [examples.connectorInputExample] },
);
export const connectorPatch = Type.Object(
  { name: Type.Optional(Type.String()) },
  { examples: [examples.connectorInputExample] },
);

const instant = Type.Integer({ description: "Milliseconds since 1970-01-01 UTC." });

export const connectorObject = Type.Object(
  {
    id: Type.Integer(),
    name: Type.String(),
    added: instant,
    last_changed: instant,
    alive: nullable(Type.Boolean()),
    last_heartbeat: nullable(instant),
    next_heartbeat: nullable(instant),
    available_datapoints: Type.Integer({ description: "All that were announced or created." }),
    active_datapoints: Type.Integer(),
    topics: Type.Record(Type.String(), Type.String()),
  },
  { examples: [examples.connectorExample] },
);
export const connectorList = Type.Array(connectorObject);
export const connectorQuery = Type.Object({ ...pageQuery, name: text() });

export const logQuery = Type.Object({
  ...pageQuery,
  level: Type.Optional(
    Type.Integer({
      minimum: -1_000_000,
      maximum: 1_000_000,
      description: "10 debug, 20 info, 30 warning, 40 error, 50 critical.",
    }),
  ),
  level__gte: Type.Optional(Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 })),
  emitter: text(),
  msg__icontains: text(),
});
export type LogQuery = Static<typeof logQuery>;

export const logList = Type.Array(
  Type.Object(
    {
      id: Type.Integer(),
      timestamp: instant,
      level: Type.Integer(),
      emitter: nullable(Type.String()),
      msg: Type.String(),
    },
    { examples: [examples.logExample] },
  ),
);

export const discoveredList = Type.Array(
  Type.Object(
    {
      name: Type.String(),
      last_heard: instant,
      alive: nullable(Type.Boolean()),
      next_heartbeat: nullable(instant),
      sensors: nullable(Type.Integer({ description: "Null before the first announcement." })),
      actuators: nullable(Type.Integer()),
      can_be_added: Type.Boolean({ description: "False when the name breaks the rules for connectors." }),
    },
    { examples: [examples.discoveredExample] },
  ),
);
