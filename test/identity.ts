import type { InjectOptions, LightMyRequestResponse } from "fastify";
import { serverActor } from "../src/kernel/changes/actor.ts";
import { createChangeLog } from "../src/kernel/changes/change-log.ts";
import type { ChangeLog } from "../src/kernel/changes/changes.ts";
import { changesMigrations } from "../src/kernel/changes/migrations.ts";
import type { Database } from "../src/kernel/database/engine.ts";
import { testHttp } from "../src/kernel/http/fixture.ts";
import type { Http } from "../src/kernel/http/http.ts";
import { createToken, createUser } from "../src/kernel/identity/accounts.ts";
import { identityMigrations } from "../src/kernel/identity/migrations.ts";
import { type OpenedIdentity, openIdentity } from "../src/kernel/identity/open.ts";
import { registerIdentityRoutes } from "../src/kernel/identity/routes.ts";
import { addUser, type NewUserBody } from "../src/kernel/identity/users.ts";
import { createLog } from "../src/kernel/observe/log.ts";
import type { TestEngine } from "./engines.ts";

/** For tests: identity with its routes on a fresh database, and a clock that stands still unless it is set. */
export interface Site extends AsyncDisposable {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly identity: OpenedIdentity;
  readonly app: Http;
  readonly time: { now: number };
  /** Authorization header of the superuser. */
  readonly root: string;
  call(method: string, url: string, options?: CallOptions): Promise<LightMyRequestResponse>;
  /** Makes an account without going through HTTP. */
  user(name: string, more?: Partial<NewUserBody>): Promise<TestUser>;
}

export interface TestUser {
  readonly id: number;
  /** Authorization header with a token of the user that may all that the user may. */
  readonly auth: string;
}

export interface CallOptions {
  /** Authorization header. */
  readonly as?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly from?: string;
}

export const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

export const goodPassword = "correct horse battery";

export async function openSite(
  engine: TestEngine,
  options: { on?: Database; secret?: string } = {},
): Promise<Site> {
  await using opened = new AsyncDisposableStack();
  const migrations = { ...changesMigrations, ...identityMigrations };
  const database = opened.use(
    options.on ? await engine.reopen(options.on) : await engine.open({ migrations }),
  );
  const time = { now: Date.UTC(2026, 0, 1) };
  const clock = { now: () => time.now };
  const log = createLog("silent");
  const changes = opened.use(await createChangeLog({ database, clock, log, pollMillis: 20 }));
  const identity = opened.use(
    await openIdentity({
      database,
      changes,
      clock,
      log,
      secret: options.secret ?? "a secret of the tests",
      resources: ["datapoint", "connector"],
    }),
  );
  const http = await testHttp({}, { identity, clock });
  opened.defer(() => http.close());
  registerIdentityRoutes(http.app, identity, changes);
  const root = options.on ? "" : await tokenOf(identity, await makeRoot(identity));
  const stack = opened.move();
  return {
    database,
    changes,
    identity,
    app: http.app,
    time,
    root,
    call: (method, url, { as, body, headers = {}, from = "192.0.2.9" } = {}) =>
      http.app.inject({
        method: method as NonNullable<InjectOptions["method"]>,
        url,
        headers: { ...headers, ...(as === undefined ? {} : { authorization: as }) },
        remoteAddress: from,
        ...(body === undefined ? {} : { payload: body as object }),
      }),
    user: async (name, more = {}) => {
      const caller = { principal: local, actor: serverActor() };
      const { id } = await addUser(identity, { name, ...more }, caller);
      return { id, auth: await tokenOf(identity, id) };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const local = {
  id: 0,
  kind: "user",
  name: "test",
  isSuperuser: true,
  isStaff: true,
  via: "local",
  grants: [],
} as const;

const makeRoot = async (identity: OpenedIdentity): Promise<number> =>
  (await createUser(identity, { name: "root", password: goodPassword, superuser: true }, serverActor())).id;

export async function tokenOf(
  identity: OpenedIdentity,
  user: number,
  more: { scopes?: readonly string[]; expiresAt?: number } = {},
): Promise<string> {
  return `Bearer ${(await createToken(identity, { user, ...more }, serverActor())).token}`;
}

/** The status of a call. */
export async function code(
  site: Site,
  method: string,
  url: string,
  as: string | undefined,
  body?: unknown,
): Promise<number> {
  const credentials = as === undefined ? {} : { as };
  const answer = await site.call(method, url, { ...credentials, ...(body === undefined ? {} : { body }) });
  return answer.statusCode;
}

/** The status of a GET: whether the credential is good, and on other paths whether its rights are. */
export const status = (site: Site, as: string, url = "/users/me/"): Promise<number> =>
  code(site, "GET", url, as);
