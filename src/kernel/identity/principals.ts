import { fromBit } from "../database/columns.ts";
import type { Queryable } from "../database/engine.ts";
import { type Catalogue, intersect, nameOf } from "./permissions.ts";
import type { Grant, Principal } from "./principal.ts";
import { type PrincipalRow, tables } from "./tables.ts";

export const findPrincipal = (db: Queryable, id: number): Promise<PrincipalRow | undefined> =>
  tables(db).selectFrom("principals").selectAll().where("id", "=", id).executeTakeFirst();

/** The one that signs in under the name: of several sources' the local one comes first. */
export async function findByName(db: Queryable, name: string): Promise<PrincipalRow | undefined> {
  // No name has it, and PostgreSQL refuses to look for it.
  if (name.includes("\0")) return undefined;
  const rows = await tables(db)
    .selectFrom("principals")
    .selectAll()
    .where("name", "=", name.normalize("NFC"))
    .orderBy("id")
    .execute();
  return rows.find((row) => row.source === "local") ?? rows[0];
}

/** Own, role's and groups' grants; none for a superuser, who needs none. */
export async function grantsOf(
  db: Queryable,
  row: PrincipalRow,
  catalogue: Catalogue,
): Promise<readonly Grant[]> {
  if (fromBit(row.is_superuser)) return [];
  const memberships = tables(db).selectFrom("memberships").where("principal_id", "=", row.id);
  const granted = await tables(db)
    .selectFrom("grants")
    .select(["action", "resource", "object"])
    .where((eb) =>
      eb.or([eb("principal_id", "=", row.id), eb("group_id", "in", memberships.select("group_id"))]),
    )
    .execute();
  const groupRoles = await tables(db)
    .selectFrom("groups")
    .select("role")
    .where("id", "in", memberships.select("group_id"))
    .execute();
  const roleGrants = [row, ...groupRoles].flatMap(({ role }) =>
    role === null ? [] : catalogue.grantsOf(role),
  );
  const all = [...roleGrants, ...(granted as readonly Grant[])];
  return [...new Map(all.map((grant) => [nameOf(grant), grant])).values()];
}

/** @param scopes permission names a token is limited to; null: no limit */
export async function loadPrincipal(
  db: Queryable,
  row: PrincipalRow,
  catalogue: Catalogue,
  via: Principal["via"],
  scopes: readonly string[] | null = null,
): Promise<Principal> {
  const rights = await grantsOf(db, row, catalogue);
  const isSuperuser = fromBit(row.is_superuser);
  const base = { id: row.id, kind: row.kind, name: row.name, via, organisation: row.organisation };
  if (scopes === null) return { ...base, isSuperuser, isStaff: fromBit(row.is_staff), grants: rights };
  const limits = catalogue.known(scopes);
  const grants = isSuperuser ? limits : intersect(rights, limits);
  return { ...base, isSuperuser: false, isStaff: false, grants, scoped: true };
}
