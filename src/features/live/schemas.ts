import { type Static, Type } from "typebox";

/** What one connection may hold of each. */
export const maxSubscriptions = 100;
export const maxIds = 1000;

export const kinds = ["value", "setpoint", "schedule", "command"] as const;

const id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const name = Type.String({ minLength: 1, maxLength: 200 });
const kind = Type.Enum(kinds);
const oneOrMany = <T extends typeof id | typeof name | typeof kind>(type: T) =>
  Type.Optional(Type.Union([type, Type.Array(type, { minItems: 1, maxItems: maxIds })]));

const subscriptionName = Type.String({ minLength: 1, maxLength: 64 });
const lastEventId = Type.Optional(
  Type.String({
    maxLength: 4000,
    description: "Id of the last event that came; what came after it is sent first.",
  }),
);

const subscription = Type.Object(
  {
    id: Type.Optional(subscriptionName),
    datapoint: oneOrMany(id),
    connector: oneOrMany(name),
    stream: oneOrMany(id),
    kind: oneOrMany(kind),
    last_event_id: lastEventId,
  },
  { additionalProperties: false },
);
export type Subscription = Static<typeof subscription>;

/** What a client sends over a WebSocket: one of them. */
export const clientMessage = Type.Object(
  { subscribe: Type.Optional(subscription), unsubscribe: Type.Optional(subscriptionName) },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
);
export type ClientMessage = Static<typeof clientMessage>;

const idList = (what: string) =>
  Type.Optional(
    Type.Array(Type.String({ pattern: "^[0-9]{1,15}(,[0-9]{1,15})*$", maxLength: 16_000 }), {
      description: `Ids of ${what}, separated by commas.`,
    }),
  );

const ticket = Type.Optional(
  Type.String({ maxLength: 100, description: "Of POST /live/ticket, in place of credentials." }),
);
const values = Type.Optional(
  Type.Enum(["text", "native"], { description: "Values as JSON text (default) or as they are." }),
);
const newest = Type.Optional(
  Type.Boolean({
    description:
      "Of each stream only the newest point at each moment, and none older than that: for pages that show the present.",
  }),
);

export const connectionQuery = Type.Object({ ticket, values, newest });

export const streamQuery = Type.Object({
  ...connectionQuery.properties,
  datapoint: idList("datapoints"),
  connector: Type.Optional(Type.Array(name, { maxItems: maxIds, description: "Names of connectors." })),
  stream: idList("streams"),
  kind: Type.Optional(
    Type.Array(kind, {
      description:
        "value, setpoint, schedule, or command: each step of a command, as GET /commands/{id}/ shows it then.",
    }),
  ),
  last_event_id: lastEventId,
});
export type StreamQuery = Static<typeof streamQuery>;

export const ticketObject = Type.Object({
  ticket: Type.String(),
  expires_in: Type.Integer({ description: "Seconds in which it can be used, once." }),
});
