import type { Static } from "typebox";
import type { Change } from "../changes/changes.ts";
import type { Queryable, Tx } from "../database/engine.ts";
import { isUniqueViolation } from "../database/faults.ts";
import { invalidField, notFound } from "../errors.ts";
import { checkedName, nameTaken } from "./accounts.ts";
import { checkedRole, groupGrants, putGrants } from "./grants.ts";
import { type Caller, requireHolds, requireMayEdit } from "./guards.ts";
import type { IdentityParts } from "./parts.ts";
import { findPrincipal } from "./principals.ts";
import type { groupPatchBody } from "./schemas.ts";
import { type GroupState, groupState } from "./states.ts";
import { type GroupRow, lockAccounts, tables } from "./tables.ts";

export type GroupPatch = Static<typeof groupPatchBody>;

type Check = (state: GroupState) => void;

export async function listGroups(db: Queryable): Promise<GroupState[]> {
  const rows = await tables(db).selectFrom("groups").select("id").orderBy("id").execute();
  const states = await Promise.all(rows.map(({ id }) => groupState(db, id)));
  return states.filter((state) => state !== undefined);
}

export async function getGroup(db: Queryable, id: number): Promise<GroupState> {
  return (await groupState(db, id)) ?? gone(id);
}

/** @throws Problem `invalid-request`, `conflict` (name), `forbidden` for more than the caller has itself */
export function addGroup(
  parts: IdentityParts,
  body: GroupPatch & { readonly name: string },
  caller: Caller,
): Promise<GroupState> {
  const name = checkedName(body.name);
  return parts.database.write(async (tx) => {
    const inserted = await tables(tx)
      .insertInto("groups")
      .values({ name, role: null, created_at: parts.clock.now() })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .returning("id")
      .executeTakeFirst();
    if (!inserted) throw nameTaken("group", name);
    await apply(parts, tx, await presentGroup(tx, inserted.id), body, caller);
    return record(parts, tx, inserted.id, "create", null, caller);
  });
}

export function changeGroup(
  parts: IdentityParts,
  id: number,
  patch: GroupPatch,
  caller: Caller,
  check: Check,
): Promise<GroupState> {
  return edit(parts, id, caller, check, (tx, row) => apply(parts, tx, row, patch, caller));
}

export function removeGroup(parts: IdentityParts, id: number, caller: Caller, check: Check): Promise<void> {
  return parts.database.write(async (tx) => {
    await lockAccounts(tx);
    const before = await getGroup(tx, id);
    check(before);
    await tables(tx).deleteFrom("groups").where("id", "=", id).execute();
    await recordChange(parts, tx, { action: "delete", object: String(id), before, after: null }, caller);
  });
}

/** @throws Problem `not-found` (group), `invalid-request` (user), `forbidden` */
export function addMember(
  parts: IdentityParts,
  id: number,
  userId: number,
  caller: Caller,
): Promise<GroupState> {
  return edit(parts, id, caller, anyState, async (tx, row) => {
    const user = await findPrincipal(tx, userId);
    if (!user) throw invalidField("user", `There is no user ${userId}.`);
    requireMayEdit(caller.principal, user);
    requireHolds(caller.principal, await groupGrants(tx, row, parts.catalogue));
    await tables(tx)
      .insertInto("memberships")
      .values({ principal_id: userId, group_id: id })
      .onConflict((conflict) => conflict.columns(["principal_id", "group_id"]).doNothing())
      .execute();
  });
}

export function removeMember(
  parts: IdentityParts,
  id: number,
  userId: number,
  caller: Caller,
): Promise<GroupState> {
  return edit(parts, id, caller, anyState, async (tx) => {
    const user = await findPrincipal(tx, userId);
    const removed = await tables(tx)
      .deleteFrom("memberships")
      .where("group_id", "=", id)
      .where("principal_id", "=", userId)
      .returning("group_id")
      .executeTakeFirst();
    if (!user || !removed) throw notFound("member", userId);
    requireMayEdit(caller.principal, user);
  });
}

const anyState: Check = () => undefined;

function edit(
  parts: IdentityParts,
  id: number,
  caller: Caller,
  check: Check,
  work: (tx: Tx, row: GroupRow) => Promise<void>,
): Promise<GroupState> {
  return parts.database.write(async (tx) => {
    await lockAccounts(tx);
    const row = await presentGroup(tx, id);
    const before = await getGroup(tx, id);
    check(before);
    await work(tx, row);
    return record(parts, tx, id, "update", before, caller);
  });
}

async function apply(
  { catalogue }: IdentityParts,
  tx: Tx,
  row: GroupRow,
  patch: GroupPatch,
  { principal }: Caller,
): Promise<void> {
  const keepsRole = patch.role === undefined || patch.role === row.role;
  const role = keepsRole ? row.role : checkedRole(patch.role ?? null, principal, catalogue);
  const name = patch.name === undefined ? row.name : checkedName(patch.name);
  try {
    await tables(tx).updateTable("groups").set({ name, role }).where("id", "=", row.id).execute();
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken("group", name) : error;
  }
  if (patch.permissions) await putGrants(tx, { group_id: row.id }, patch.permissions, principal, catalogue);
}

async function presentGroup(tx: Tx, id: number): Promise<GroupRow> {
  const row = await tables(tx).selectFrom("groups").selectAll().where("id", "=", id).executeTakeFirst();
  return row ?? gone(id);
}

async function record(
  parts: IdentityParts,
  tx: Tx,
  id: number,
  action: "create" | "update",
  before: GroupState | null,
  caller: Caller,
): Promise<GroupState> {
  const after = await getGroup(tx, id);
  await recordChange(parts, tx, { action, object: String(id), before, after }, caller);
  return after;
}

const recordChange = (
  { changes }: IdentityParts,
  tx: Tx,
  change: Pick<Change, "action" | "object" | "before" | "after">,
  { actor }: Caller,
): Promise<void> => changes.record(tx, [{ ...change, actor, resource: "group" }]);

function gone(id: number): never {
  throw notFound("group", id);
}
