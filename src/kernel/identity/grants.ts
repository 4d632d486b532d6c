import type { Queryable, Tx } from "../database/engine.ts";
import { invalidField } from "../errors.ts";
import { requireHolds } from "./guards.ts";
import { type Catalogue, isRole, nameOf, type Role, roles } from "./permissions.ts";
import type { Grant, Principal } from "./principal.ts";
import { tables } from "./tables.ts";

/** Whose grants: a principal's or a group's. */
export type Holder = { readonly principal_id: number } | { readonly group_id: number };

export async function ownGrants(db: Queryable, holder: Holder): Promise<readonly Grant[]> {
  const all = tables(db).selectFrom("grants").select(["action", "resource", "object"]);
  const query =
    "group_id" in holder
      ? all.where("group_id", "=", holder.group_id)
      : all.where("principal_id", "=", holder.principal_id);
  return (await query.execute()) as readonly Grant[];
}

/**
 * Replaces the holder's own grants.
 * @throws Problem `invalid-request` (unknown name), `forbidden` (a new one that the caller does not have)
 */
export async function putGrants(
  tx: Tx,
  holder: Holder,
  names: readonly string[],
  caller: Principal,
  catalogue: Catalogue,
): Promise<void> {
  const wanted = catalogue.parse(names, "permissions");
  const present = new Set((await ownGrants(tx, holder)).map(nameOf));
  requireHolds(
    caller,
    wanted.filter((grant) => !present.has(nameOf(grant))),
  );
  const [column, id] =
    "group_id" in holder
      ? (["group_id", holder.group_id] as const)
      : (["principal_id", holder.principal_id] as const);
  await tables(tx).deleteFrom("grants").where(column, "=", id).execute();
  const rows = wanted.map(({ action, resource, object }) => ({
    principal_id: null,
    group_id: null,
    ...holder,
    action,
    resource,
    object,
  }));
  // Six columns each: a statement binds 32,766 values at most.
  for (let at = 0; at < rows.length; at += 1000)
    await tables(tx)
      .insertInto("grants")
      .values(rows.slice(at, at + 1000))
      .execute();
}

/** @throws Problem `invalid-request` (no role), `forbidden` (the caller has not all that it holds) */
export function checkedRole(role: string | null, caller: Principal, catalogue: Catalogue): Role | null {
  if (role === null) return null;
  if (!isRole(role)) throw invalidField("role", `${JSON.stringify(role)} is none of ${roles.join(", ")}.`);
  requireHolds(caller, catalogue.grantsOf(role));
  return role;
}

/** What membership of the group gives. */
export async function groupGrants(
  db: Queryable,
  group: { readonly id: number; readonly role: Role | null },
  catalogue: Catalogue,
): Promise<readonly Grant[]> {
  const byRole = group.role === null ? [] : catalogue.grantsOf(group.role);
  return [...byRole, ...(await ownGrants(db, { group_id: group.id }))];
}
