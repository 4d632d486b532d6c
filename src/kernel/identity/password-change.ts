import { fromBit } from "../database/columns.ts";
import { invalidField, notFound, Problem } from "../errors.ts";
import { checkPassword } from "./accounts.ts";
import { type Caller, isOwn, requireCovers, requireRight } from "./guards.ts";
import type { OpenedIdentity } from "./open.ts";
import { findPrincipal } from "./principals.ts";
import { raiseGeneration } from "./sessions.ts";
import { tables } from "./tables.ts";

export interface PasswordBody {
  readonly password: string;
  /** Needed for one's own account, when it has one. */
  readonly old_password?: string;
}

/**
 * Ends all sessions and the derived token of the account; its other tokens stay.
 * @throws Problem `not-found`, `forbidden`, `invalid-request`, `too-many-requests` (wrong old password too often)
 */
export async function changePassword(
  identity: OpenedIdentity,
  id: number,
  body: PasswordBody,
  caller: Caller,
  address: string,
): Promise<void> {
  const { database, changes, passwords, catalogue, clock } = identity;
  const { principal, actor } = caller;
  const row = await findPrincipal(database.read, id);
  const own = isOwn(principal, id);
  if (!own) requireRight(principal, "change", "user", id);
  if (!row) throw notFound("user", id);
  if (own) await checkOldPassword(identity, row, body.old_password, address);
  checkPassword(body.password, row.name);
  if (!own) await requireCovers(database.read, principal, row, catalogue);
  const password = await passwords.hash(body.password);
  await database.write(async (tx) => {
    const present = await findPrincipal(tx, id);
    if (!present) throw notFound("user", id);
    // The hash took its time: the account may have become another one meanwhile.
    if (!own) await requireCovers(tx, principal, present, catalogue);
    const values = { password, updated_at: clock.now() };
    await tables(tx).updateTable("principals").set(values).where("id", "=", id).execute();
    await raiseGeneration(identity, tx, id, actor);
    const reason = "the password was changed";
    const object = String(id);
    await changes.record(tx, [
      { actor, action: "update", resource: "user", object, before: null, after: null, reason },
    ]);
  });
}

async function checkOldPassword(
  identity: OpenedIdentity,
  row: {
    readonly id: number;
    readonly name: string;
    readonly password: string | null;
    readonly is_active: number;
  },
  given: string | undefined,
  address: string,
): Promise<void> {
  if (row.password === null || !fromBit(row.is_active)) return;
  if (given === undefined) throw invalidField("old_password", "This field is required for your own account.");
  try {
    const found = await identity.login(row.name, given, address);
    if (found.id === row.id) return;
  } catch (error) {
    // 401 would say that the credentials of the request are wrong.
    if (!(error instanceof Problem && error.code === "unauthenticated")) throw error;
  }
  throw invalidField("old_password", "It is not the present password.");
}
