import { fromJsonText } from "../database/columns.ts";
import type { Queryable } from "../database/engine.ts";
import { invalidField, notFound } from "../errors.ts";
import { type Caller, forbidden, isOwn, requireHolds, requireMayEdit, requireRight } from "./guards.ts";
import type { IdentityParts } from "./parts.ts";
import { may, type Principal } from "./principal.ts";
import { findPrincipal } from "./principals.ts";
import type { TokenState } from "./states.ts";
import { type TokenRow, tables } from "./tables.ts";

/** Those that are not revoked, oldest first. */
export async function listTokens(db: Queryable, principalId: number): Promise<TokenState[]> {
  const rows = await tables(db)
    .selectFrom("tokens")
    .selectAll()
    .where("principal_id", "=", principalId)
    .where("revoked_at", "is", null)
    .orderBy("id")
    .execute();
  return rows.map(toState);
}

/** @throws Problem `not-found` also where the caller may not see it */
export async function getToken(db: Queryable, id: number, caller: Principal): Promise<TokenState> {
  const row = await tables(db)
    .selectFrom("tokens")
    .selectAll()
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  const visible = row && (isOwn(caller, row.principal_id) || may(caller, "view", "token", String(id)));
  if (!row || !visible) throw notFound("token", id);
  return toState(row);
}

/**
 * Whether the caller may make such a token: any for itself; for others only with scopes that it has itself, since the
 * owner may be given more later.
 * @throws Problem `not-found` (owner), `forbidden`, `invalid-request` (no scopes)
 */
export async function requireMayMakeToken(
  { database, catalogue }: IdentityParts,
  caller: Principal,
  ownerId: number,
  scopes: readonly string[] | null,
): Promise<void> {
  if (isOwn(caller, ownerId)) return;
  if (!may(caller, "add", "token")) {
    const seen = caller.id === ownerId || may(caller, "view", "user", String(ownerId));
    throw seen ? forbidden("It needs the right add_token.") : notFound("user", ownerId);
  }
  const owner = await findPrincipal(database.read, ownerId);
  if (!owner) throw notFound("user", ownerId);
  requireMayEdit(caller, owner);
  if (caller.isSuperuser) return;
  if (scopes === null)
    throw invalidField("scopes", "This field is required here: name what the token may do, of what you may.");
  requireHolds(caller, catalogue.parse(scopes, "scopes"));
}

/** It stops working at once, on every node. */
export async function revokeToken(
  parts: IdentityParts,
  id: number,
  { principal, actor }: Caller,
): Promise<void> {
  const { database, changes, clock } = parts;
  await database.write(async (tx) => {
    const before = await getToken(tx, id, principal);
    if (!isOwn(principal, before.user)) {
      requireRight(principal, "delete", "token", id);
      const owner = await findPrincipal(tx, before.user);
      if (owner) requireMayEdit(principal, owner);
    }
    await tables(tx).updateTable("tokens").set({ revoked_at: clock.now() }).where("id", "=", id).execute();
    const object = String(id);
    await changes.record(tx, [{ actor, action: "delete", resource: "token", object, before, after: null }]);
  });
}

const toState = (row: TokenRow): TokenState => ({
  id: row.id,
  user: row.principal_id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes === null ? null : (fromJsonText(row.scopes) as string[]),
  created_at: row.created_at,
  expires_at: row.expires_at,
  last_used_at: row.last_used_at,
});
