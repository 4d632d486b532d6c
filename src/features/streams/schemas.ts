import { type Static, Type } from "typebox";
import { pageQuery } from "../../kernel/http/paging.ts";
import { acceptedIntervals } from "../../kernel/timeseries/buckets/interval.ts";

export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

/** PostgreSQL stores no U+0000; control characters have no place in names. */
export const plainText = "^[^\\u0000-\\u001f\\u007f]*$";
const name = (maxLength: number) => Type.String({ maxLength, pattern: plainText });

const modes = Type.Enum(["history", "last"], { description: "`last` keeps only the newest point." });

const labels = Type.Record(Type.String(), name(500), {
  propertyNames: { minLength: 1, maxLength: 100, pattern: plainText },
  maxProperties: 64,
  description: "Names and values of the operator's own; replaced whole.",
});

const tags = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: plainText }), {
  maxItems: 64,
  uniqueItems: true,
});

const lastPoint = Type.Object({
  time: Type.String({ description: "RFC 3339, UTC." }),
  timestamp: Type.Number({ description: "The same in milliseconds since 1970." }),
  value: Type.Unknown({ description: "The JSON value itself." }),
});

export const streamObject = Type.Object({
  id: Type.Integer(),
  owner: Type.String({ description: "The feature it belongs to." }),
  key: Type.String({ description: "Unique within the owner, such as 12/value." }),
  mode: modes,
  unit: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  tags: Type.Array(Type.String()),
  retention: nullable(
    Type.String({
      description: "How long raw points are kept, ISO 8601. Null: as the owner's or the default.",
    }),
  ),
  last: nullable(lastPoint),
  points: Type.Optional(Type.Integer({ description: "With detail=full: how many points there are." })),
  bytes: Type.Optional(
    Type.Integer({
      description: "With detail=full: bytes in the database, without what is in the log still.",
    }),
  ),
});
export const streamList = Type.Array(streamObject);

export const idParams = Type.Object({ id: Type.String({ pattern: "^[0-9]{1,15}$" }) });

const detail = Type.Optional(
  Type.Union([Type.Literal("full"), Type.Literal("")], { description: "`full` adds points and bytes." }),
);
export const detailQuery = Type.Object({ detail });

const idList = (description: string) =>
  Type.String({ maxLength: 20_000, pattern: "^\\s*\\d{1,15}\\s*(,\\s*\\d{1,15}\\s*)*$", description });

export const listQuery = Type.Object({
  ...pageQuery,
  detail,
  owner: Type.Optional(name(200)),
  unit: Type.Optional(name(200)),
  tag: Type.Optional(Type.Array(name(100), { maxItems: 64, description: "Repeat it: each must be there." })),
  search: Type.Optional(name(500)),
  ids: Type.Optional(idList("Ids separated by commas; those that are not there are left out.")),
});

export const streamPatch = Type.Object(
  {
    unit: Type.Optional(name(100)),
    labels: Type.Optional(labels),
    tags: Type.Optional(tags),
    mode: Type.Optional(modes),
    retention: Type.Optional(
      nullable(Type.String({ description: `How long raw points are kept. ${acceptedIntervals}` })),
    ),
    reason: Type.Optional(
      Type.String({ maxLength: 1000, pattern: plainText, description: "For the changes." }),
    ),
  },
  {
    additionalProperties: false,
    examples: [{ tags: ["roof"], labels: { floor: "2" }, retention: "2 years" }],
  },
);
export type StreamPatchBody = Static<typeof streamPatch>;

const text = (description: string) => Type.Optional(Type.String({ maxLength: 1000, description }));

export const readQuery = Type.Object({
  ...pageQuery,
  ids: idList("Streams by id, separated by commas; their order is that of the columns."),
  from: text(
    "First instant: RFC 3339 (2024-01-31T08:00:00+01:00; without offset, or the date only, in `zone`), " +
      "or milliseconds since 1970. Default: the first point.",
  ),
  to: text("End, exclusive; as `from`. Default: after the newest point."),
  interval: text(`Width of buckets; without it raw points come. ${acceptedIntervals}`),
  offset: text("Moves the edges of buckets: a day from 06:00 has `6h`."),
  zone: text("IANA name, for civil days and months, for times without offset, and for CSV. Default UTC."),
  agg: text(
    "Figures of each bucket, separated by commas: avg (default), min, max, sum, count, first, last, twa (mean " +
      "weighted by time), integral (over hours), increase (of a counter), duration (seconds `condition` held) or " +
      "duration(>21).",
  ),
  condition: text("For `duration`: <, <=, >, >=, = or != and a number, in the unit that is asked for."),
  fill: Type.Optional(
    Type.Union([Type.Literal("null"), Type.Literal("previous"), Type.Literal("linear")], {
      description: "What stands in buckets without a figure. Default null.",
    }),
  ),
  unit: text("Converts the values: `kWh`, `°F`, `W/m2`, or any code of UCUM."),
  format: Type.Optional(
    Type.Union([Type.Literal("json"), Type.Literal("csv"), Type.Literal("ndjson"), Type.Literal("parquet")], {
      description: "Default json.",
    }),
  ),
  delimiter: text("Of CSV: comma, semicolon or tab. Default comma; semicolon with a decimal comma."),
  decimal: text("Decimal mark of CSV: point (default) or comma."),
  bom: Type.Optional(Type.Boolean({ description: "CSV begins with a byte order mark, which Excel wants." })),
});
export type ReadQuery = Static<typeof readQuery>;

const pointPair = Type.Array(Type.Unknown(), {
  minItems: 2,
  maxItems: 2,
  description: "Milliseconds since 1970, and the value.",
});

const rawAnswer = Type.Object({
  streams: Type.Array(
    Type.Object({
      id: Type.Integer(),
      owner: Type.String(),
      key: Type.String(),
      unit: Type.String(),
      points: Type.Array(pointPair),
    }),
  ),
});

const bucketAnswer = Type.Object({
  interval: Type.String({ description: "ISO 8601." }),
  zone: Type.String(),
  times: Type.Array(Type.Number(), { description: "Left edges of the buckets, milliseconds since 1970." }),
  end: nullable(Type.Number({ description: "End of the last bucket." })),
  columns: Type.Array(
    Type.Object({
      stream: Type.Integer(),
      owner: Type.String(),
      key: Type.String(),
      agg: Type.String(),
      unit: Type.String(),
      values: Type.Array(nullable(Type.Number()), { description: "One for each of `times`." }),
    }),
  ),
});

export const readAnswer = Type.Union([rawAnswer, bucketAnswer], {
  description:
    "Without `interval` the points of each stream as pairs; with it one time axis and a column of values for each " +
    "stream and figure.",
});
