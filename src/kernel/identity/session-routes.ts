import type { FastifyReply, FastifyRequest } from "fastify";
import { actorOf } from "../changes/actor.ts";
import { Problem } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { publicAccess } from "../http/surface.ts";
import { cookieIn, setCookie } from "./cookie.ts";
import type { OpenedIdentity } from "./open.ts";
import { nameOf } from "./permissions.ts";
import type { Principal } from "./principal.ts";
import { loginBody, sessionSchema } from "./schemas.ts";
import { endSession, sessionMillis, startSession } from "./sessions.ts";
import { userState } from "./states.ts";

/** Begins a session and puts its cookie into the answer; returns the session's CSRF token. */
export async function putSession(
  request: FastifyRequest,
  reply: FastifyReply,
  identity: OpenedIdentity,
  principal: Pick<Principal, "id" | "name">,
): Promise<string> {
  const actor = { ...actorOf(request), principalId: principal.id, name: principal.name, via: "session" };
  const { id, csrfToken } = await startSession(identity, principal.id, actor);
  reply.header("set-cookie", setCookie(id, isSecure(request, identity), sessionMillis / 1000));
  return csrfToken;
}

const isSecure = (request: FastifyRequest, identity: OpenedIdentity): boolean =>
  identity.secureCookies || request.protocol === "https";

/** Signing in has no session yet whose token could prove the page's origin; the browser itself tells it. */
export function refuseCrossSite(request: FastifyRequest): void {
  const site = request.headers["sec-fetch-site"];
  if (site === "cross-site")
    throw new Problem("csrf-failed", { detail: "A page of another site cannot sign you in here." });
}

export function registerSessionRoutes(http: Http, identity: OpenedIdentity): void {
  http.get(
    "/session/",
    {
      config: { access: publicAccess },
      schema: { summary: "Who calls, and the CSRF token of its session", response: { 200: sessionSchema } },
    },
    async (request) => {
      const { principal } = request;
      const id = principal?.via === "session" ? cookieIn(request.headers.cookie) : undefined;
      return view(identity, principal, id === undefined ? null : identity.secrets.csrfToken(id));
    },
  );
  http.post(
    "/session/",
    {
      config: { access: publicAccess, ignoreSession: true, idempotent: false },
      schema: { summary: "Signs in: begins a session", body: loginBody, response: { 200: sessionSchema } },
    },
    async (request, reply) => {
      refuseCrossSite(request);
      const { username, password } = request.body;
      const principal = await identity.login(username, password, request.ip);
      const before = cookieIn(request.headers.cookie);
      if (before !== undefined) await endSession(identity, before, actorOf(request));
      const csrfToken = await putSession(request, reply, identity, principal);
      return view(identity, { ...principal, via: "session" }, csrfToken);
    },
  );
  http.delete(
    "/session/",
    { config: { access: publicAccess }, schema: { summary: "Signs out: ends the session" } },
    async (request, reply) => {
      const id = cookieIn(request.headers.cookie);
      if (id !== undefined) {
        await endSession(identity, id, actorOf(request));
        reply.header("set-cookie", setCookie(undefined, isSecure(request, identity), 0));
      }
      return reply.code(204).send();
    },
  );
}

async function view(identity: OpenedIdentity, principal: Principal | undefined, csrfToken: string | null) {
  const user = principal && (await userState(identity.database.read, principal.id));
  const all = principal?.isSuperuser === true;
  return {
    user: user ?? null,
    permissions: all ? [...identity.permissions] : (principal?.grants ?? []).map(nameOf),
    via: principal?.via ?? null,
    csrf_token: csrfToken,
  };
}
