import { serverActor } from "../changes/actor.ts";
import type { Actor, ChangeLog } from "../changes/changes.ts";
import type { Database, Tx } from "../database/engine.ts";
import { asProblem } from "../database/faults.ts";
import { notFound, Problem } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../time.ts";
import { Authenticator } from "./authenticator.ts";
import { type Credential, credentialIn } from "./credentials.ts";
import type { CredentialCarrier, Identity } from "./identity.ts";
import type { IdentityParts } from "./parts.ts";
import { Passwords } from "./passwords.ts";
import { Catalogue } from "./permissions.ts";
import type { Principal } from "./principal.ts";
import { findPrincipal } from "./principals.ts";
import { Secrets, sameText, sha256 } from "./secrets.ts";
import { raiseGeneration, removeEndedSessions } from "./sessions.ts";
import { ensureSuperuser, type FirstSuperuser, Setup } from "./superusers.ts";
import { tables } from "./tables.ts";
import { Usage } from "./usage.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The session cookie does not count on this route (signing in), and needs no CSRF token. */
    ignoreSession?: boolean;
  }
}

export interface IdentityOptions {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Derived tokens, sessions and CSRF tokens hang on it: another one ends them all. */
  readonly secret: string;
  /** Resource types on which there are rights, besides the kernel's own. */
  readonly resources: readonly string[];
  /** Session cookies are always marked Secure; otherwise only when they are given out over HTTPS. */
  readonly secureCookies?: boolean;
}

export interface IdentityStats {
  /** Password hashes computed since the start. */
  readonly hashes: number;
  /** Credentials remembered. */
  readonly remembered: number;
}

/** What the identity routes and commands use beyond the interface that features see. */
export interface OpenedIdentity extends Identity, IdentityParts {
  readonly setup: Setup;
  readonly secureCookies: boolean;
  readonly stats: IdentityStats;
  /**
   * Name and password of a sign-in form.
   * @throws Problem `unauthenticated`, `too-many-requests`
   */
  login(name: string, password: string, address: string): Promise<Principal>;
  /** Leaves an existing account of that name alone. */
  ensureSuperuser(user: FirstSuperuser): Promise<void>;
  /** The one-time link; undefined when there is an active superuser. Each call ends the link before. */
  setupLink(baseUrl: string): Promise<string | undefined>;
  /** Writes the times of last use now rather than within a minute. */
  flushUsage(): Promise<void>;
}

/** Opens identity on a database that has been migrated. */
export async function openIdentity(options: IdentityOptions): Promise<OpenedIdentity> {
  const { database, clock } = options;
  await database.write((tx) => removeEndedSessions(tx, clock.now()));
  return new SqlIdentity(options);
}

/** Changes of these may make a remembered credential wrong. */
const watched: ReadonlySet<string> = new Set(["user", "group", "token", "session"]);
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

const refused = (detail: string): Problem => new Problem("unauthenticated", { detail });
const wrongPassword = (): Problem => refused("Invalid username/password.");
const wrongToken = (): Problem => refused("Invalid token.");

class SqlIdentity implements OpenedIdentity {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly catalogue: Catalogue;
  readonly passwords = new Passwords();
  readonly secrets: Secrets;
  readonly setup: Setup;
  readonly secureCookies: boolean;
  readonly #usage: Usage;
  readonly #authenticator: Authenticator;
  readonly #stopListening: () => void;

  constructor(options: IdentityOptions) {
    this.database = options.database;
    this.changes = options.changes;
    this.clock = options.clock;
    this.log = options.log;
    this.catalogue = new Catalogue(options.resources);
    this.secrets = new Secrets(options.secret);
    this.secureCookies = options.secureCookies ?? false;
    this.setup = new Setup(this);
    this.#usage = new Usage(this.database, this.clock, this.log);
    this.#authenticator = new Authenticator(this, this.#usage);
    this.#stopListening = this.changes.subscribe(({ resource }) => {
      if (watched.has(resource)) this.#authenticator.forgetAll();
    });
  }

  get permissions(): readonly string[] {
    return this.catalogue.names;
  }

  get stats(): IdentityStats {
    return { hashes: this.passwords.hashes, remembered: this.#authenticator.remembered };
  }

  async authenticate(request: CredentialCarrier): Promise<Principal | undefined> {
    const credential = credentialIn(request.headers);
    if (!credential) return undefined;
    try {
      return await this.#check(credential, request);
    } catch (error) {
      throw asProblem(error);
    }
  }

  async verify(name: string, secret: string, address: string): Promise<Principal | undefined> {
    try {
      return await this.#authenticator.byName(name, secret, address);
    } catch (error) {
      if (error instanceof Problem && error.code === "too-many-requests") return undefined;
      throw asProblem(error);
    }
  }

  async verifyToken(token: string, address: string): Promise<Principal | undefined> {
    try {
      return await this.#token(token, address);
    } catch (error) {
      if (error instanceof Problem && error.status < 500) return undefined;
      throw asProblem(error);
    }
  }

  async login(name: string, password: string, address: string): Promise<Principal> {
    const principal = await this.#authenticator.byName(name, password, address);
    if (principal?.via !== "basic") throw wrongPassword();
    return principal;
  }

  async derivedToken(principalId: number): Promise<string> {
    const row = await findPrincipal(this.database.read, principalId);
    if (!row) throw notFound("user", principalId);
    const token = this.secrets.derivedToken(row.id, row.generation);
    const hash = sha256(token);
    if (row.derived_hash === hash) return token;
    await this.database.write((tx) =>
      tables(tx)
        .updateTable("principals")
        .set({ derived_hash: hash })
        .where("id", "=", row.id)
        .where("generation", "=", row.generation)
        .execute(),
    );
    return token;
  }

  raiseGeneration(tx: Tx, principalId: number, actor: Actor = serverActor()): Promise<void> {
    return raiseGeneration(this, tx, principalId, actor);
  }

  ensureSuperuser(user: FirstSuperuser): Promise<void> {
    return ensureSuperuser(this, user);
  }

  setupLink(baseUrl: string): Promise<string | undefined> {
    return this.setup.link(baseUrl);
  }

  flushUsage(): Promise<void> {
    return this.#usage.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    await this.#usage[Symbol.asyncDispose]();
  }

  async #check(credential: Credential, request: CredentialCarrier): Promise<Principal | undefined> {
    switch (credential.kind) {
      case "malformed":
        throw refused("The Authorization header cannot be read.");
      case "token":
        return this.#token(credential.token, request.ip);
      case "basic": {
        const found = await this.#authenticator.byName(credential.name, credential.secret, request.ip);
        if (!found) throw wrongPassword();
        return found;
      }
      case "session":
        return this.#session(credential.id, request);
    }
  }

  async #token(token: string, address: string): Promise<Principal> {
    const principal = await this.#authenticator.byToken(token, address);
    if (!principal) throw wrongToken();
    return principal;
  }

  /** A session that has ended counts as none: the page must still be able to sign in. */
  async #session(id: string, request: CredentialCarrier): Promise<Principal | undefined> {
    if (request.routeOptions.config.ignoreSession) return undefined;
    const principal = await this.#authenticator.bySession(id);
    if (!principal || safeMethods.has(request.method)) return principal;
    const given = request.headers["x-csrftoken"] ?? request.headers["x-csrf-token"];
    if (typeof given === "string" && sameText(given, this.secrets.csrfToken(id))) return principal;
    throw new Problem("csrf-failed", {
      detail: "Send the csrf_token of GET /session/ in the header X-CSRF-Token.",
    });
  }
}
