import { type Static, Type } from "typebox";
import { pageQuery } from "../../../kernel/http/paging.ts";
import { commandStates } from "./model.ts";

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

/** PostgreSQL refuses to look for U+0000. */
const storable = "^[^\\u0000]*$";

const instant = Type.Integer({ description: "Milliseconds since 1970-01-01 UTC." });
const instantQuery = (description: string) =>
  Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: `${description} Milliseconds.`,
    }),
  );

export const commandParams = Type.Object({ id: Type.String({ pattern: "^[0-9]{1,15}$" }) });

export const commandQuery = Type.Object({
  ...pageQuery,
  datapoint: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  connector: Type.Optional(
    Type.String({ maxLength: 1000, pattern: storable, description: "Name of the connector." }),
  ),
  kind: Type.Optional(Type.String({ maxLength: 20, description: "value, setpoint or schedule." })),
  state: Type.Optional(
    Type.String({
      maxLength: 200,
      description: `One or more, separated by commas: ${commandStates.join(", ")}; \`open\` for those that have not ended.`,
    }),
  ),
  actor: Type.Optional(
    Type.String({ maxLength: 1000, pattern: storable, description: "Name of who sent it." }),
  ),
  from: instantQuery("Accepted then or later."),
  to: instantQuery("Accepted before."),
});
export type CommandQuery = Static<typeof commandQuery>;

const json = (description: string) => Type.Unknown({ description });

export const commandObject = Type.Object({
  id: Type.Integer(),
  datapoint: Type.Integer(),
  connector: nullable(Type.Object({ name: Type.String() })),
  kind: Type.String(),
  message: json("What was sent, with native values."),
  state: Type.Enum(commandStates),
  final: Type.Boolean({ description: "Whether this state stays." }),
  reason: nullable(Type.String({ description: "Why it ended so, in a sentence." })),
  actor: Type.Object({
    id: nullable(Type.Integer({ description: "Null: the server itself." })),
    name: Type.String(),
    via: Type.String(),
  }),
  safe_value: Type.Boolean({ description: "Sent by the server, since nothing newer had come in time." }),
  accepted_at: instant,
  published_at: nullable(instant),
  taken_at: nullable(instant),
  finished_at: nullable(instant),
  deadline: nullable(instant),
  feedback: nullable(
    Type.Object({
      datapoint: Type.Integer(),
      tolerance: Type.Number(),
      deadline: Type.Number({ description: "Seconds." }),
      read_back: nullable(Type.Object({ value: json("Native."), timestamp: instant })),
    }),
  ),
  superseded_by: nullable(Type.Integer({ description: "Id of the newer command." })),
});
export const commandList = Type.Array(commandObject);

const day = 86_400;

const limit = (description: string, least?: number, most?: number) =>
  Type.Optional(
    nullable(
      Type.Number({
        description,
        ...(least === undefined ? {} : { minimum: least }),
        ...(most === undefined ? {} : { maximum: most }),
      }),
    ),
  );

const guardExample = {
  min: 16,
  max: 24,
  max_rate: 0.1,
  min_interval: 60,
  feedback: { datapoint: 7, tolerance: 0.5, deadline: 30 },
  expiry: { after: 3600, value: "20" },
};

export const guardInput = Type.Object(
  {
    min: limit("Least value that may be written."),
    max: limit("Greatest value that may be written."),
    max_rate: Type.Optional(
      nullable(Type.Number({ exclusiveMinimum: 0, description: "Greatest change, in units per second." })),
    ),
    min_interval: limit("Seconds between two writes of the same kind.", 0.001, 31 * day),
    feedback: Type.Optional(
      nullable(
        Type.Object(
          {
            datapoint: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
            tolerance: Type.Optional(Type.Number({ minimum: 0, description: "Default 0." })),
            deadline: Type.Number({
              minimum: 0.1,
              maximum: day,
              description: "Seconds, from the moment the broker has taken the command.",
            }),
          },
          { additionalProperties: false },
        ),
      ),
    ),
    expiry: Type.Optional(
      nullable(
        Type.Object(
          {
            after: Type.Number({
              minimum: 1,
              maximum: 366 * day,
              description: "Seconds without a newer value.",
            }),
            value: json("The safe value: JSON text in a string; with values=native the value itself."),
          },
          { additionalProperties: false },
        ),
      ),
    ),
  },
  { additionalProperties: false, examples: [guardExample] },
);
export type GuardInput = Static<typeof guardInput>;

export const guardObject = Type.Object(
  {
    min: nullable(Type.Number()),
    max: nullable(Type.Number()),
    max_rate: nullable(Type.Number()),
    min_interval: nullable(Type.Number()),
    feedback: nullable(
      Type.Object({ datapoint: Type.Integer(), tolerance: Type.Number(), deadline: Type.Number() }),
    ),
    expiry: nullable(Type.Object({ after: Type.Number(), value: json("As it is written.") })),
  },
  { examples: [guardExample] },
);
