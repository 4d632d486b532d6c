import { type Static, Type } from "typebox";
import { pageQuery } from "../../kernel/http/paging.ts";
import { nullable, plainText } from "./schemas.ts";

const instant = (what: string) =>
  Type.Union([Type.String({ maxLength: 100 }), Type.Number()], {
    description: `${what}: RFC 3339, or milliseconds since 1970.`,
  });

const reason = Type.Optional(
  Type.String({ maxLength: 1000, pattern: plainText, description: "Why; required unless it is a preview." }),
);

const operations = Type.Enum(["delete", "scale", "shift", "interpolate", "fix_counter_reset"], {
  description:
    "`scale` multiplies with `factor`, `shift` adds `by`, `interpolate` puts the values on a straight line between " +
    "the numbers beside the range, `fix_counter_reset` lets the count go on where it fell. Texts stay.",
});

export const editBody = Type.Object(
  {
    operation: operations,
    from: instant("First instant"),
    to: instant("End, exclusive"),
    factor: Type.Optional(Type.Number({ description: "Of scale." })),
    by: Type.Optional(Type.Number({ description: "Of shift." })),
    reason,
    preview: Type.Optional(Type.Boolean({ description: "Tells the totals only; nothing is changed." })),
  },
  {
    additionalProperties: false,
    examples: [
      {
        operation: "scale",
        from: "2026-08-01T00:00:00Z",
        to: "2026-08-02T00:00:00Z",
        factor: 0.001,
        reason: "The meter counted watt-hours.",
      },
    ],
  },
);
export type EditBody = Static<typeof editBody>;

export const undoBody = Type.Object(
  { reason },
  { additionalProperties: false, examples: [{ reason: "It was right before." }] },
);

const figure = nullable(Type.Number());
const totals = Type.Object({
  count: Type.Integer(),
  numbers: Type.Integer({ description: "How many of the points are numbers; what follows is over these." }),
  sum: figure,
  first: figure,
  last: figure,
  min: figure,
  max: figure,
  increase: Type.Number({
    description: "The rises from the last number before the range to the first one after it.",
  }),
});

export const editPreview = Type.Object({ before: totals, after: totals });

export const editObject = Type.Object({
  id: Type.Integer(),
  stream: Type.Integer(),
  time: Type.String({ description: "When it was made." }),
  operation: Type.String({ description: "As in the request, or `undo`." }),
  factor: Type.Optional(Type.Number()),
  by: Type.Optional(Type.Number()),
  edit: Type.Optional(Type.Integer({ description: "Of undo: the edit that was undone." })),
  from: Type.String(),
  to: Type.String(),
  reason: Type.String(),
  actor: Type.String(),
  before: totals,
  after: totals,
  undoes: nullable(Type.Integer()),
  undone_by: nullable(Type.Integer()),
});
export const editList = Type.Array(editObject);
export const editListQuery = Type.Object(pageQuery);

export const editParams = Type.Object({
  id: Type.String({ pattern: "^[0-9]{1,15}$" }),
  edit: Type.String({ pattern: "^[0-9]{1,15}$" }),
});
