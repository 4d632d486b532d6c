import { randomBytes } from "node:crypto";
import { serverActor } from "../changes/actor.ts";
import type { Actor } from "../changes/changes.ts";
import type { Queryable } from "../database/engine.ts";
import { messageOf, OperatorError, Problem } from "../errors.ts";
import { insertUser, prepareUser } from "./accounts.ts";
import type { IdentityParts } from "./parts.ts";
import { passwordFaults } from "./password-rules.ts";
import { findByName } from "./principals.ts";
import { sameText, sha256 } from "./secrets.ts";
import { lockAccounts, tables } from "./tables.ts";

export async function countSuperusers(db: Queryable): Promise<number> {
  const row = await tables(db)
    .selectFrom("principals")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("is_superuser", "=", 1)
    .where("is_active", "=", 1)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

export interface FirstSuperuser {
  readonly name: string;
  readonly password: string;
  readonly email: string;
}

/** Makes the superuser that the configuration names, unless there is an account of that name: that is left alone. */
export async function ensureSuperuser(parts: IdentityParts, user: FirstSuperuser): Promise<void> {
  const { database, log } = parts;
  const present = await findByName(database.read, user.name);
  if (present) {
    if (present.is_superuser === 0)
      log.warn({ name: user.name }, "the configured superuser exists as a plain user and was left alone");
    return;
  }
  // The operator's own choice, as the existing system takes it; but not in silence.
  const [fault] = passwordFaults(user.password, user.name);
  if (fault !== undefined)
    log.warn({ name: user.name, fault }, "the configured superuser has a weak password");
  const prepared = await prepareUser(parts, { ...user, superuser: true }, "waived").catch(
    (error: unknown) => {
      throw new OperatorError(`The configured superuser cannot be made. ${messageOf(error)}`, {
        cause: error,
      });
    },
  );
  try {
    await database.write((tx) => insertUser(parts, tx, prepared, serverActor("configuration")));
    log.info({ name: user.name }, "the configured superuser was made");
  } catch (error) {
    // Another node was quicker.
    if (!(error instanceof Problem && error.code === "conflict")) throw error;
  }
}

/** The link by which the first superuser is made: good once, for this process only, and only while there is none. */
export class Setup {
  readonly #parts: IdentityParts;
  #tokenHash: string | undefined;

  constructor(parts: IdentityParts) {
    this.#parts = parts;
  }

  /** Undefined when there is an active superuser. */
  async link(baseUrl: string): Promise<string | undefined> {
    if ((await countSuperusers(this.#parts.database.read)) > 0) return undefined;
    const token = randomBytes(24).toString("base64url");
    this.#tokenHash = sha256(token);
    return `${baseUrl.replace(/\/$/, "")}/setup?token=${token}`;
  }

  async isOpenFor(token: string): Promise<boolean> {
    if (this.#tokenHash === undefined || !sameText(sha256(token), this.#tokenHash)) return false;
    if ((await countSuperusers(this.#parts.database.read)) === 0) return true;
    this.#tokenHash = undefined;
    return false;
  }

  /**
   * @returns the new superuser's id; undefined when somebody else was quicker
   * @throws Problem `invalid-request`, `conflict` (the name belongs to a plain user)
   */
  async complete(user: { name: string; password: string }, actor: Actor): Promise<number | undefined> {
    const parts = this.#parts;
    const prepared = await prepareUser(parts, { ...user, superuser: true });
    const made = await parts.database.write(async (tx) => {
      await lockAccounts(tx);
      if ((await countSuperusers(tx)) > 0) return undefined;
      return insertUser(parts, tx, prepared, { ...actor, name: "setup" });
    });
    this.#tokenHash = undefined;
    return made?.id;
  }
}
