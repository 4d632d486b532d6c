import type { Static } from "typebox";
import { bit, fromBit } from "../database/columns.ts";
import type { Tx } from "../database/engine.ts";
import { isForeignKeyViolation, isUniqueViolation } from "../database/faults.ts";
import { invalidField, notFound, Problem } from "../errors.ts";
import { checkedName, insertPrincipal, nameTaken, prepareUser, recordNewUser } from "./accounts.ts";
import { checkedRole, groupGrants, putGrants } from "./grants.ts";
import { type Caller, forbidden, requireHolds, requireMayEdit } from "./guards.ts";
import type { IdentityParts } from "./parts.ts";
import type { Principal } from "./principal.ts";
import { findPrincipal } from "./principals.ts";
import type { newUserBody, userPatchBody } from "./schemas.ts";
import { raiseGeneration } from "./sessions.ts";
import { type UserState, userState } from "./states.ts";
import { countSuperusers } from "./superusers.ts";
import { lockAccounts, type PrincipalRow, tables } from "./tables.ts";

/** What an administrator may set; absent members stay as they are. */
export type UserPatch = Static<typeof userPatchBody>;
export type NewUserBody = Static<typeof newUserBody>;

/** @throws Problem `invalid-request`, `conflict`, `forbidden` for more than the caller has itself */
export async function addUser(parts: IdentityParts, body: NewUserBody, caller: Caller): Promise<UserState> {
  const { name, email, password } = body;
  const prepared = await prepareUser(parts, {
    name,
    ...(email === undefined ? {} : { email }),
    ...(password === undefined ? {} : { password }),
  });
  return parts.database.write(async (tx) => {
    await lockAccounts(tx);
    const id = await insertPrincipal(tx, prepared, parts.clock.now());
    await apply(parts, tx, await presentPrincipal(tx, id), { ...body, name: prepared.name }, caller);
    const state = await recordNewUser(parts, tx, id, caller.actor);
    return state ?? gone(id);
  });
}

/**
 * @param check called with the user as it is, to refuse a change of what the caller has not seen
 * @throws Problem `not-found`, `invalid-request`, `conflict`, `forbidden`
 */
export function changeUser(
  parts: IdentityParts,
  id: number,
  patch: UserPatch,
  caller: Caller,
  check: (state: UserState) => void,
): Promise<UserState> {
  const { database, changes } = parts;
  return database.write(async (tx) => {
    await lockAccounts(tx);
    const row = await presentPrincipal(tx, id);
    const before = (await userState(tx, id)) ?? gone(id);
    check(before);
    requireMayEdit(caller.principal, row);
    await apply(parts, tx, row, patch, caller);
    await requireSuperuserLeft(tx, row);
    const after = (await userState(tx, id)) ?? gone(id);
    const { actor } = caller;
    const object = String(id);
    await changes.record(tx, [{ actor, action: "update", resource: "user", object, before, after }]);
    return after;
  });
}

/** @throws Problem `not-found`, `forbidden`, `conflict` for oneself, the last superuser, and who owns what must stay */
export async function removeUser(
  parts: IdentityParts,
  id: number,
  caller: Caller,
  check: (state: UserState) => void,
): Promise<void> {
  const { actor, principal } = caller;
  try {
    await parts.database.write(async (tx) => {
      await lockAccounts(tx);
      const row = await presentPrincipal(tx, id);
      const before = (await userState(tx, id)) ?? gone(id);
      check(before);
      requireMayEdit(principal, row);
      if (id === principal.id) throw conflict("You cannot delete your own account.");
      await tables(tx).deleteFrom("principals").where("id", "=", id).execute();
      await requireSuperuserLeft(tx, row);
      const object = String(id);
      await parts.changes.record(tx, [
        { actor, action: "delete", resource: "user", object, before, after: null },
      ]);
    });
  } catch (error) {
    if (isForeignKeyViolation(error))
      throw conflict("The account owns objects that stay; deactivate it (is_active) instead.");
    throw error;
  }
}

async function apply(
  parts: IdentityParts,
  tx: Tx,
  row: PrincipalRow,
  patch: UserPatch,
  caller: Caller,
): Promise<void> {
  const { catalogue, clock } = parts;
  const { principal } = caller;
  checkFlags(row, patch, principal);
  const role =
    patch.role === undefined || patch.role === row.role
      ? row.role
      : checkedRole(patch.role, principal, catalogue);
  const flag = (given: boolean | undefined, present: number) =>
    given === undefined ? bit(fromBit(present)) : bit(given);
  const values = {
    name: patch.name === undefined ? row.name : checkedName(patch.name),
    email: patch.email ?? row.email,
    organisation: patch.organisation === undefined ? row.organisation : patch.organisation,
    role,
    is_superuser: flag(patch.is_superuser, row.is_superuser),
    is_staff: flag(patch.is_staff, row.is_staff),
    is_active: flag(patch.is_active, row.is_active),
    updated_at: clock.now(),
  };
  try {
    await tables(tx).updateTable("principals").set(values).where("id", "=", row.id).execute();
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken("user", values.name) : error;
  }
  if (fromBit(row.is_active) && patch.is_active === false)
    await raiseGeneration(parts, tx, row.id, caller.actor);
  if (patch.permissions)
    await putGrants(tx, { principal_id: row.id }, patch.permissions, principal, catalogue);
  if (patch.groups) await putGroups(parts, tx, row.id, patch.groups, principal);
}

function checkFlags(row: PrincipalRow, patch: UserPatch, caller: Principal): void {
  const changes = (given: boolean | undefined, present: number) =>
    given !== undefined && given !== fromBit(present);
  if (changes(patch.is_superuser, row.is_superuser) && !caller.isSuperuser)
    throw forbidden("Only a superuser may make a superuser.");
  if (changes(patch.is_staff, row.is_staff) && !caller.isStaff && !caller.isSuperuser)
    throw forbidden("Only staff may make somebody staff.");
  const organisation = patch.organisation;
  const moves = organisation !== undefined && organisation !== row.organisation;
  if (moves && !caller.isSuperuser && organisation !== (caller.organisation ?? null))
    throw forbidden("You can put users into your own organisation only.");
  if (patch.is_active === false && row.id === caller.id)
    throw conflict("You cannot deactivate your own account.");
}

async function putGroups(
  { catalogue }: IdentityParts,
  tx: Tx,
  principalId: number,
  ids: readonly number[],
  caller: Principal,
): Promise<void> {
  const wanted = [...new Set(ids)];
  const groups =
    wanted.length === 0
      ? []
      : await tables(tx).selectFrom("groups").selectAll().where("id", "in", wanted).execute();
  const unknown = wanted.find((id) => !groups.some((group) => group.id === id));
  if (unknown !== undefined) throw invalidField("groups", `There is no group ${unknown}.`);
  const present = await tables(tx)
    .selectFrom("memberships")
    .select("group_id")
    .where("principal_id", "=", principalId)
    .execute();
  const joined = groups.filter((group) => !present.some(({ group_id }) => group_id === group.id));
  for (const group of joined) requireHolds(caller, await groupGrants(tx, group, catalogue));
  await tables(tx).deleteFrom("memberships").where("principal_id", "=", principalId).execute();
  const rows = wanted.map((group_id) => ({ principal_id: principalId, group_id }));
  if (rows.length > 0) await tables(tx).insertInto("memberships").values(rows).execute();
}

/** @param row the user before the change */
async function requireSuperuserLeft(tx: Tx, row: PrincipalRow): Promise<void> {
  if (!fromBit(row.is_superuser) || !fromBit(row.is_active)) return;
  if ((await countSuperusers(tx)) === 0)
    throw conflict("This is the last active superuser; make another one first.");
}

export async function presentPrincipal(tx: Tx, id: number): Promise<PrincipalRow> {
  return (await findPrincipal(tx, id)) ?? gone(id);
}

function gone(id: number): never {
  throw notFound("user", id);
}

const conflict = (detail: string): Problem => new Problem("conflict", { detail });
