import { randomBytes } from "node:crypto";
import type { Actor } from "../changes/changes.ts";
import type { Tx } from "../database/engine.ts";
import { Problem } from "../errors.ts";
import type { IdentityParts } from "./parts.ts";
import { lockAccounts, tables } from "./tables.ts";

const hour = 3_600_000;
/** A session ends after this time at the latest … */
export const sessionMillis = 14 * 24 * hour;
/** … and when it was not used for this long. */
export const idleMillis = 24 * hour;

export interface NewSession {
  /** For the cookie; kept nowhere. */
  readonly id: string;
  readonly csrfToken: string;
}

/** Begins a session of a principal that has just proved who it is. */
export async function startSession(
  parts: IdentityParts,
  principalId: number,
  actor: Actor,
): Promise<NewSession> {
  const { database, changes, clock, secrets } = parts;
  const id = randomBytes(32).toString("base64url");
  const now = clock.now();
  await database.write(async (tx) => {
    await lockAccounts(tx);
    const owner = await tables(tx)
      .selectFrom("principals")
      .select("generation")
      .where("id", "=", principalId)
      .executeTakeFirst();
    if (!owner) throw new Problem("unauthenticated", { detail: "The account is gone." });
    const { id: row } = await tables(tx)
      .insertInto("sessions")
      .values({
        principal_id: principalId,
        hash: secrets.sessionHash(id),
        generation: owner.generation,
        address: actor.address,
        created_at: now,
        expires_at: now + sessionMillis,
        last_seen_at: now,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    const after = { user: principalId };
    await changes.record(tx, [
      { actor, action: "create", resource: "session", object: String(row), before: null, after },
    ]);
  });
  return { id, csrfToken: secrets.csrfToken(id) };
}

/** Ends the session with the id of the cookie, if there is one. */
export async function endSession(parts: IdentityParts, sessionId: string, actor: Actor): Promise<void> {
  await parts.database.write(async (tx) => {
    const row = await tables(tx)
      .deleteFrom("sessions")
      .where("hash", "=", parts.secrets.sessionHash(sessionId))
      .returning(["id", "principal_id"])
      .executeTakeFirst();
    if (!row) return;
    const before = { user: row.principal_id };
    await parts.changes.record(tx, [
      { actor, action: "delete", resource: "session", object: String(row.id), before, after: null },
    ]);
  });
}

/** Ends all sessions and derived tokens of the principal. */
export async function raiseGeneration(
  { changes }: IdentityParts,
  tx: Tx,
  principalId: number,
  actor: Actor,
): Promise<void> {
  await tables(tx)
    .updateTable("principals")
    .set((eb) => ({ generation: eb("generation", "+", 1), derived_hash: null }))
    .where("id", "=", principalId)
    .execute();
  await tables(tx).deleteFrom("sessions").where("principal_id", "=", principalId).execute();
  const reason = "all sessions and the derived token were ended";
  await changes.record(tx, [
    {
      actor,
      action: "update",
      resource: "user",
      object: String(principalId),
      before: null,
      after: null,
      reason,
    },
  ]);
}

/** Removes what no longer opens anything. */
export async function removeEndedSessions(tx: Tx, now: number): Promise<void> {
  await tables(tx)
    .deleteFrom("sessions")
    .where((eb) => eb.or([eb("expires_at", "<=", now), eb("last_seen_at", "<=", now - idleMillis)]))
    .execute();
}
