import { createHmac, randomBytes } from "node:crypto";
import { fromBit, fromJsonText } from "../database/columns.ts";
import type { IdentityParts } from "./parts.ts";
import type { Principal } from "./principal.ts";
import { findByName, findPrincipal, loadPrincipal } from "./principals.ts";
import { type Proof, Proofs } from "./proofs.ts";
import { sameText, sha256 } from "./secrets.ts";
import { idleMillis } from "./sessions.ts";
import { type PrincipalRow, tables } from "./tables.ts";
import { LoginThrottle } from "./throttle.ts";
import type { Usage } from "./usage.ts";

/** Finds out who a credential belongs to. Answers from memory where nothing has changed since the last time. */
export class Authenticator {
  readonly throttle: LoginThrottle;
  readonly #parts: IdentityParts;
  readonly #usage: Usage;
  readonly #proofs = new Proofs();
  /** Nothing in memory gives a password away, not even by trying common ones. */
  readonly #memoryKey = randomBytes(32);

  constructor(parts: IdentityParts, usage: Usage) {
    this.#parts = parts;
    this.#usage = usage;
    this.throttle = new LoginThrottle(parts.clock);
  }

  get remembered(): number {
    return this.#proofs.size;
  }

  /** To be called after any change of principals, groups, grants, tokens or sessions. */
  forgetAll(): void {
    this.#proofs.newEpoch();
  }

  /**
   * Name with password, or with a token of that name in its place.
   * @throws Problem `too-many-requests`
   */
  async byName(name: string, secret: string, address: string): Promise<Principal | undefined> {
    if (looksLikeToken(secret)) {
      const principal = await this.byToken(secret);
      if (principal?.name === name.normalize("NFC")) return principal;
    }
    return (await this.#byPassword(name, secret, address))?.principal;
  }

  /** @param address of the guesser, whose failures are counted */
  async byToken(token: string, address?: string): Promise<Principal | undefined> {
    const now = this.#parts.clock.now();
    const hash = sha256(token);
    const key = `token:${hash}`;
    if (this.#proofs.isRefuted(key, now)) return undefined;
    const known = this.#proofs.find(key, now);
    const proof = known?.fresh ? known.proof : await this.#readToken(key, hash, token, now);
    if (!proof && address !== undefined) this.throttle.pay(undefined, address);
    if (proof?.rowId !== undefined) this.#usage.tokenUsed(proof.rowId, now);
    return proof?.principal;
  }

  async bySession(sessionId: string): Promise<Principal | undefined> {
    const now = this.#parts.clock.now();
    const key = `session:${this.#parts.secrets.sessionHash(sessionId)}`;
    const known = this.#proofs.find(key, now);
    const proof = known?.fresh ? known.proof : await this.#readSession(key, now);
    if (proof?.rowId !== undefined) this.#usage.sessionSeen(proof.rowId, now);
    return proof?.principal;
  }

  async #byPassword(name: string, password: string, address: string): Promise<Proof | undefined> {
    const { clock } = this.#parts;
    const key = createHmac("sha256", this.#memoryKey).update(`${name}\0${password}`).digest("base64");
    if (this.#proofs.isRefuted(key, clock.now())) return undefined;
    const known = this.#proofs.find(key, clock.now());
    if (known?.fresh) return known.proof;
    if (known?.proof.password !== undefined) {
      const again = await this.#prove(key, name, known.proof.password);
      if (again) return again;
    }
    this.#proofs.forget(key);
    return this.#proofs.once(key, () => this.#checkPassword(key, name, password, address));
  }

  async #checkPassword(
    key: string,
    name: string,
    password: string,
    address: string,
  ): Promise<Proof | undefined> {
    const { passwords, database, clock } = this.#parts;
    this.throttle.pay(name, address);
    const epoch = this.#proofs.epoch;
    const row = await findByName(database.read, name);
    const fits = await passwords.verify(password, row?.password ?? null);
    // Read again: the hash took its time, and the row may have changed meanwhile.
    const proof = fits && row?.password ? await this.#prove(key, name, row.password) : undefined;
    if (proof) this.throttle.payBack(name, address);
    else this.#proofs.refute(key, epoch, clock.now());
    return proof;
  }

  /** @param hash the password hash that is known to fit */
  async #prove(key: string, name: string, hash: string): Promise<Proof | undefined> {
    const { database, catalogue, clock } = this.#parts;
    const epoch = this.#proofs.epoch;
    const row = await findByName(database.read, name);
    if (!row || row.password !== hash || !fromBit(row.is_active)) return undefined;
    const principal = await loadPrincipal(database.read, row, catalogue, "basic");
    const proof: Proof = { principal, expiresAt: Number.POSITIVE_INFINITY, password: hash };
    this.#proofs.keep(key, proof, epoch, clock.now());
    return proof;
  }

  async #readToken(key: string, hash: string, token: string, now: number): Promise<Proof | undefined> {
    const epoch = this.#proofs.epoch;
    const proof = (await this.#storedToken(hash, now)) ?? (await this.#derivedToken(hash, token));
    if (proof) this.#proofs.keep(key, proof, epoch, now);
    else this.#proofs.refute(key, epoch, now);
    return proof;
  }

  async #storedToken(hash: string, now: number): Promise<Proof | undefined> {
    const { database, catalogue } = this.#parts;
    const row = await tables(database.read)
      .selectFrom("tokens")
      .select(["id", "principal_id", "scopes", "expires_at"])
      .where("hash", "=", hash)
      .where("revoked_at", "is", null)
      .executeTakeFirst();
    if (!row || (row.expires_at !== null && row.expires_at <= now)) return undefined;
    const owner = await findPrincipal(database.read, row.principal_id);
    if (!owner || !fromBit(owner.is_active)) return undefined;
    const scopes = row.scopes === null ? null : (fromJsonText(row.scopes) as readonly string[]);
    const principal = await loadPrincipal(database.read, owner, catalogue, "token", scopes);
    return { principal, expiresAt: row.expires_at ?? Number.POSITIVE_INFINITY, rowId: row.id };
  }

  /**
   * A derived token cannot be taken apart, so its principal is found by an indexed hash that was stored when it was
   * asked for; then it is derived again, so that one of another secret or generation does not count.
   */
  async #derivedToken(hash: string, token: string): Promise<Proof | undefined> {
    if (!derivedText.test(token)) return undefined;
    const { database, catalogue, secrets } = this.#parts;
    const row: PrincipalRow | undefined = await tables(database.read)
      .selectFrom("principals")
      .selectAll()
      .where("derived_hash", "=", hash)
      .executeTakeFirst();
    if (!row || !fromBit(row.is_active)) return undefined;
    if (!sameText(secrets.derivedToken(row.id, row.generation), token)) return undefined;
    const principal = await loadPrincipal(database.read, row, catalogue, "derived");
    return { principal, expiresAt: Number.POSITIVE_INFINITY };
  }

  async #readSession(key: string, now: number): Promise<Proof | undefined> {
    const { database, catalogue } = this.#parts;
    const epoch = this.#proofs.epoch;
    this.#proofs.forget(key);
    const row = await tables(database.read)
      .selectFrom("sessions")
      .selectAll()
      .where("hash", "=", key.slice("session:".length))
      .executeTakeFirst();
    if (!row || row.expires_at <= now) return undefined;
    const lastSeen = Math.max(row.last_seen_at, this.#usage.lastSeen(row.id));
    if (lastSeen + idleMillis <= now) return undefined;
    const owner = await findPrincipal(database.read, row.principal_id);
    if (!owner || !fromBit(owner.is_active) || owner.generation !== row.generation) return undefined;
    const principal = await loadPrincipal(database.read, owner, catalogue, "session");
    const proof: Proof = { principal, expiresAt: row.expires_at, rowId: row.id };
    this.#proofs.keep(key, proof, epoch, now);
    return proof;
  }
}

const derivedText = /^[0-9a-f]{40}$/;
const looksLikeToken = (text: string): boolean => text.startsWith("bb_") || derivedText.test(text);
