import type { Static } from "typebox";
import { fromBit } from "../database/columns.ts";
import type { Queryable } from "../database/engine.ts";
import { nameOf } from "./permissions.ts";
import type { Grant } from "./principal.ts";
import type { groupSchema, tokenSchema, userSchema } from "./schemas.ts";
import { type PrincipalRow, tables } from "./tables.ts";

/** A user as the API shows and the change log records it: no secret in it. */
export type UserState = Static<typeof userSchema>;
export type GroupState = Static<typeof groupSchema>;
/** A token without what makes it work. */
export type TokenState = Static<typeof tokenSchema>;

export async function userState(db: Queryable, id: number): Promise<UserState | undefined> {
  const row = await tables(db).selectFrom("principals").selectAll().where("id", "=", id).executeTakeFirst();
  return row && (await userStates(db, [row]))[0];
}

/** Two queries, however many rows. */
export async function userStates(db: Queryable, rows: readonly PrincipalRow[]): Promise<UserState[]> {
  if (rows.length === 0) return [];
  const ids = { first: rows[0]?.id ?? 0, last: rows.at(-1)?.id ?? 0 };
  const [low, high] = [Math.min(ids.first, ids.last), Math.max(ids.first, ids.last)];
  const grants = await tables(db)
    .selectFrom("grants")
    .selectAll()
    .where("principal_id", ">=", low)
    .where("principal_id", "<=", high)
    .orderBy("id")
    .execute();
  const memberships = await tables(db)
    .selectFrom("memberships")
    .selectAll()
    .where("principal_id", ">=", low)
    .where("principal_id", "<=", high)
    .orderBy("group_id")
    .execute();
  const grantsBy = Map.groupBy(grants, (grant) => grant.principal_id);
  const groupsBy = Map.groupBy(memberships, (membership) => membership.principal_id);
  return rows.map((row) => toState(row, grantsBy.get(row.id) ?? [], groupsBy.get(row.id) ?? []));
}

const toState = (
  row: PrincipalRow,
  grants: readonly { action: string; resource: string; object: string }[],
  groups: readonly { group_id: number }[],
): UserState => ({
  id: row.id,
  kind: row.kind,
  source: row.source,
  external_id: row.external_id,
  name: row.name,
  email: row.email,
  organisation: row.organisation,
  is_superuser: fromBit(row.is_superuser),
  is_staff: fromBit(row.is_staff),
  is_active: fromBit(row.is_active),
  role: row.role,
  permissions: grants.map((grant) => nameOf(grant as Grant)),
  groups: groups.map((membership) => membership.group_id),
  has_password: row.password !== null,
  created_at: row.created_at,
  updated_at: row.updated_at,
});

export async function groupState(db: Queryable, id: number): Promise<GroupState | undefined> {
  const row = await tables(db).selectFrom("groups").selectAll().where("id", "=", id).executeTakeFirst();
  if (!row) return undefined;
  const grants = await tables(db)
    .selectFrom("grants")
    .selectAll()
    .where("group_id", "=", id)
    .orderBy("id")
    .execute();
  const members = await tables(db)
    .selectFrom("memberships")
    .select("principal_id")
    .where("group_id", "=", id)
    .orderBy("principal_id")
    .execute();
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    permissions: grants.map((grant) => nameOf(grant as Grant)),
    members: members.map((member) => member.principal_id),
    created_at: row.created_at,
  };
}
