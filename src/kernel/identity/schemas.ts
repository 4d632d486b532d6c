import { Type } from "typebox";
import { longest } from "./password-rules.ts";

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

const instant = (what: string) => Type.Integer({ description: `${what}; milliseconds since 1970, UTC.` });
const closed = { additionalProperties: false } as const;
/** No other members, and what the API's description shows. */
const shown = (example: unknown) => ({ ...closed, examples: [example] });

export const idParams = Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });
export const memberParams = Type.Object({
  id: idParams.properties.id,
  user: idParams.properties.id,
});

const name = Type.String({ minLength: 1, maxLength: 150 });
/** PostgreSQL cannot store U+0000, and no other control character belongs into a line of text. */
export const plainText = "^[^\\u0000-\\u001f\\u007f]*$";
const text = Type.String({ maxLength: 320, pattern: plainText });
const id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const password = Type.String({ maxLength: longest, description: "At least 8 characters." });
const role = nullable(Type.String({ description: "viewer, operator, manager or admin" }));
const permissions = Type.Array(Type.String(), {
  maxItems: 10_000,
  examples: [["view_datapoint", "change_datapoint:12"]],
  description:
    "As in GET /permissions/: view_datapoint for all, view_datapoint:12 for the object with that id.",
});

export const userSchema = Type.Object({
  id,
  kind: Type.String({ description: "user, key or entry" }),
  source: Type.String(),
  external_id: nullable(Type.String()),
  name: Type.String(),
  email: Type.String(),
  organisation: nullable(Type.String()),
  is_superuser: Type.Boolean(),
  is_staff: Type.Boolean(),
  is_active: Type.Boolean(),
  role,
  permissions,
  groups: Type.Array(id),
  has_password: Type.Boolean(),
  created_at: instant("When it was made"),
  updated_at: instant("When it was last changed"),
});

const userMembers = {
  email: Type.Optional(text),
  organisation: Type.Optional(nullable(text)),
  is_superuser: Type.Optional(Type.Boolean()),
  is_staff: Type.Optional(Type.Boolean()),
  is_active: Type.Optional(Type.Boolean()),
  role: Type.Optional(role),
  permissions: Type.Optional(permissions),
  groups: Type.Optional(Type.Array(id, { maxItems: 1000 })),
};

export const newUserBody = Type.Object(
  { name, password: Type.Optional(password), ...userMembers },
  shown({ name: "erna", password: "Correct-horse-9", role: "operator" }),
);
export const userPatchBody = Type.Object(
  { name: Type.Optional(name), ...userMembers },
  shown({ role: "viewer", is_active: true }),
);
export const passwordBody = Type.Object(
  { password, old_password: Type.Optional(Type.String({ maxLength: longest })) },
  shown({ password: "Correct-horse-9", old_password: "Battery-staple-8" }),
);

export const groupSchema = Type.Object({
  id,
  name: Type.String(),
  role,
  permissions,
  members: Type.Array(id),
  created_at: instant("When it was made"),
});
const groupMembers = { role: Type.Optional(role), permissions: Type.Optional(permissions) };
export const newGroupBody = Type.Object(
  { name, ...groupMembers },
  shown({ name: "Caretakers", permissions: ["view_datapoint"] }),
);
export const groupPatchBody = Type.Object(
  { name: Type.Optional(name), ...groupMembers },
  shown({ role: "operator" }),
);
export const memberBody = Type.Object({ user: id }, shown({ user: 2 }));
export const permissionsBody = permissions;

const tokenMembers = {
  id,
  user: id,
  name: Type.String(),
  prefix: Type.String({ description: "How the token begins." }),
  scopes: nullable(permissions),
  created_at: instant("When it was made"),
  expires_at: nullable(instant("From then on it is refused")),
  last_used_at: nullable(instant("To the minute")),
};
export const tokenSchema = Type.Object(tokenMembers);
export const newTokenSchema = Type.Object({
  ...tokenMembers,
  token: Type.String({ description: "Shown this once." }),
});
export const newTokenBody = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 200, pattern: plainText, description: "What it is for." })),
    scopes: Type.Optional(nullable(permissions)),
    expires_at: Type.Optional(
      Type.Union([Type.Integer({ maximum: 253_402_300_799_999 }), Type.String(), Type.Null()], {
        description: "Milliseconds since 1970, or ISO 8601 with an offset.",
      }),
    ),
  },
  shown({ name: "Dashboard", scopes: ["view_datapointvalue"], expires_at: "2030-12-31T00:00:00Z" }),
);
export const ownerQuery = Type.Object({
  user: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "Whose tokens; default one's own.",
    }),
  ),
});

export const loginBody = Type.Object(
  { username: Type.String({ maxLength: 1000 }), password: Type.String({ maxLength: 10_000 }) },
  shown({ username: "erna", password: "Correct-horse-9" }),
);
export const sessionSchema = Type.Object({
  user: nullable(userSchema),
  permissions: Type.Array(Type.String(), { description: "All the caller has; a superuser has every one." }),
  via: nullable(Type.String({ description: "basic, token, derived or session" })),
  csrf_token: nullable(
    Type.String({ description: "For the header X-CSRF-Token of requests that change something." }),
  ),
});
