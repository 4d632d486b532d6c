import type { Actor } from "../changes/changes.ts";
import { bit, jsonText } from "../database/columns.ts";
import type { Tx } from "../database/engine.ts";
import { invalidField, notFound, Problem } from "../errors.ts";
import type { IdentityParts } from "./parts.ts";
import { passwordFaults } from "./password-rules.ts";
import { nameOf } from "./permissions.ts";
import { findByName, findPrincipal } from "./principals.ts";
import { newToken, prefixOf, sha256 } from "./secrets.ts";
import { type TokenState, type UserState, userState } from "./states.ts";
import { lockAccounts, type PrincipalRow, tables } from "./tables.ts";

export interface NewUser {
  readonly name: string;
  /** Absent: signs in by tokens only. */
  readonly password?: string;
  readonly superuser?: boolean;
  readonly staff?: boolean;
  readonly email?: string;
  readonly organisation?: string | null;
}

/** @throws Problem `invalid-request` for a name or password against the rules, `conflict` for a name in use */
export async function createUser(parts: IdentityParts, user: NewUser, actor: Actor): Promise<{ id: number }> {
  const prepared = await prepareUser(parts, user);
  return parts.database.write((tx) => insertUser(parts, tx, prepared, actor));
}

/** What `insertUser` needs; apart from it because a hash takes long, and a transaction must not wait for it. */
export interface PreparedUser extends NewUser {
  readonly hash: string | null;
}

export async function prepareUser(
  parts: IdentityParts,
  user: NewUser,
  rules: "enforced" | "waived" = "enforced",
): Promise<PreparedUser> {
  const name = checkedName(user.name);
  const { password } = user;
  if (password !== undefined && rules === "enforced") checkPassword(password, name);
  return { ...user, name, hash: password === undefined ? null : await parts.passwords.hash(password) };
}

export async function insertUser(
  parts: IdentityParts,
  tx: Tx,
  user: PreparedUser,
  actor: Actor,
): Promise<{ id: number }> {
  const id = await insertPrincipal(tx, user, parts.clock.now());
  await recordNewUser(parts, tx, id, actor);
  return { id };
}

export async function recordNewUser(
  { changes }: IdentityParts,
  tx: Tx,
  id: number,
  actor: Actor,
): Promise<UserState | undefined> {
  const after = await userState(tx, id);
  const object = String(id);
  await changes.record(tx, [{ actor, action: "create", resource: "user", object, before: null, after }]);
  return after;
}

/** @throws Problem `conflict` */
export async function insertPrincipal(tx: Tx, user: PreparedUser, now: number): Promise<number> {
  if (user.superuser) await lockAccounts(tx);
  const inserted = await tables(tx)
    .insertInto("principals")
    .values({
      kind: "user",
      source: "local",
      name: user.name,
      external_id: null,
      organisation: user.organisation ?? null,
      email: user.email ?? "",
      role: null,
      is_superuser: bit(user.superuser ?? false),
      is_staff: bit(user.staff ?? user.superuser ?? false),
      is_active: bit(true),
      password: user.hash,
      generation: 1,
      derived_hash: null,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.columns(["source", "name"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (!inserted) throw nameTaken("user", user.name);
  return inserted.id;
}

export const nameTaken = (what: string, name: string): Problem => {
  const rule = `There is a ${what} named ${JSON.stringify(name)} already.`;
  return new Problem("conflict", {
    detail: `name: ${rule}`,
    errors: [{ pointer: "/name", detail: rule }],
    fields: { name: [rule] },
  });
};

const unfit = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}:]/u;

/** @returns the name in one normal form, so that what looks the same is the same */
export function checkedName(given: string): string {
  const name = given.normalize("NFC");
  const shown = JSON.stringify(name.slice(0, 200));
  if (name === "" || name.length > 150)
    throw invalidField("name", `Must have 1 to 150 characters, not ${name.length}.`);
  if (name !== name.trim()) throw invalidField("name", `${shown} begins or ends with a space.`);
  if (unfit.test(name))
    throw invalidField(
      "name",
      `${shown} has a colon or a control character; Basic sign-in could not carry it.`,
    );
  return name;
}

export function checkPassword(password: string, name: string, field = "password"): void {
  const faults = passwordFaults(password, name);
  if (faults.length === 0) return;
  throw new Problem("invalid-request", {
    detail: `${field}: ${faults.join(" ")}`,
    errors: faults.map((detail) => ({ pointer: `/${field}`, detail })),
    fields: { [field]: faults },
  });
}

export interface NewToken {
  /** Id or name of the owner. */
  readonly user: number | string;
  /** What it is for; default "". */
  readonly name?: string;
  /** Permission names; absent or null: everything the owner may. */
  readonly scopes?: readonly string[] | null;
  /** Milliseconds UTC; absent or null: never. */
  readonly expiresAt?: number | null;
}

/**
 * @returns the token, which is stored nowhere and cannot be shown again
 * @throws Problem `not-found` (owner), `invalid-request` (unknown scope, end in the past)
 */
export async function createToken(
  parts: IdentityParts,
  { user, name = "", scopes = null, expiresAt = null }: NewToken,
  actor: Actor,
): Promise<TokenState & { token: string }> {
  const { database, changes, clock, catalogue } = parts;
  const now = clock.now();
  if (expiresAt !== null && expiresAt <= now)
    throw invalidField("expires_at", `${new Date(expiresAt).toISOString()} is in the past.`);
  const limits = scopes === null ? null : catalogue.parse(scopes, "scopes").map(nameOf);
  const token = newToken();
  const prefix = prefixOf(token);
  return database.write(async (tx) => {
    await lockAccounts(tx);
    const owner = await ownerOf(tx, user);
    const row = await tables(tx)
      .insertInto("tokens")
      .values({
        principal_id: owner.id,
        name,
        prefix,
        hash: sha256(token),
        scopes: limits === null ? null : jsonText(limits),
        created_at: now,
        expires_at: expiresAt,
        last_used_at: null,
        revoked_at: null,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    const times = { created_at: now, expires_at: expiresAt, last_used_at: null };
    const after = { id: row.id, user: owner.id, name, prefix, scopes: limits, ...times };
    const object = String(row.id);
    await changes.record(tx, [{ actor, action: "create", resource: "token", object, before: null, after }]);
    return { ...after, token };
  });
}

async function ownerOf(tx: Tx, user: number | string): Promise<PrincipalRow> {
  const row = typeof user === "number" ? await findPrincipal(tx, user) : await findByName(tx, user);
  if (!row) throw notFound("user", typeof user === "number" ? user : JSON.stringify(user));
  return row;
}
