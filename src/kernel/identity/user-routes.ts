import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { actorOf } from "../changes/actor.ts";
import { decodeIdCursor } from "../changes/cursor.ts";
import { notFound, Problem } from "../errors.ts";
import { checkPreconditions, sendWithEtag } from "../http/etag.ts";
import type { Http } from "../http/http.ts";
import { page, pageQuery } from "../http/paging.ts";
import { right, signedIn } from "../http/surface.ts";
import { type Caller, forbidden, isOwn, requireRight } from "./guards.ts";
import type { OpenedIdentity } from "./open.ts";
import { changePassword } from "./password-change.ts";
import { may, type Principal } from "./principal.ts";
import * as schemas from "./schemas.ts";
import { putSession } from "./session-routes.ts";
import { type UserState, userState, userStates } from "./states.ts";
import { tables } from "./tables.ts";
import { addUser, changeUser, removeUser, type UserPatch } from "./users.ts";

/** The signed-in caller; the route's access has made sure of it. */
export function callerOf(request: FastifyRequest): Caller {
  const { principal } = request;
  if (!principal)
    throw new Problem("unauthenticated", { detail: "Authentication credentials were not provided." });
  return { principal, actor: actorOf(request) };
}

export function registerUserRoutes(http: Http, identity: OpenedIdentity): void {
  registerList(http, identity);
  registerOne(http, identity);
  registerPassword(http, identity);
}

function registerList(http: Http, identity: OpenedIdentity): void {
  const db = identity.database.read;
  http.get(
    "/users/",
    {
      config: { access: right("view", "user") },
      schema: {
        summary: "The accounts",
        querystring: Type.Object({
          name: Type.Optional(Type.String({ maxLength: 200, pattern: schemas.plainText })),
          ...pageQuery,
        }),
        response: { 200: Type.Array(schemas.userSchema) },
      },
    },
    async (request, reply) => {
      const { limit, cursor, name } = request.query;
      let query = tables(db).selectFrom("principals").selectAll().orderBy("id");
      if (name !== undefined) query = query.where("name", "=", name.normalize("NFC"));
      if (cursor !== undefined) query = query.where("id", ">", decodeIdCursor(cursor));
      if (limit === undefined) return [...(await userStates(db, await query.execute()))];
      const rows = await query.limit(limit + 1).execute();
      return [
        ...(await userStates(
          db,
          page(request, reply, rows, limit, (row) => [row.id]),
        )),
      ];
    },
  );
  http.post(
    "/users/",
    {
      config: { access: right("add", "user") },
      schema: {
        summary: "Makes an account",
        body: schemas.newUserBody,
        response: { 201: schemas.userSchema },
      },
    },
    async (request, reply) => {
      const state = await addUser(identity, request.body, callerOf(request));
      return reply.code(201).header("location", `/users/${state.id}/`).send(state);
    },
  );
  http.get(
    "/users/me/",
    {
      config: { access: signedIn },
      schema: { summary: "The caller's own account", response: { 200: schemas.userSchema } },
    },
    async (request, reply) => sendUser(request, reply, identity, callerOf(request).principal.id),
  );
}

async function sendUser(request: FastifyRequest, reply: FastifyReply, identity: OpenedIdentity, id: number) {
  const state = await userState(identity.database.read, id);
  if (!state) throw notFound("user", id);
  return sendWithEtag(request, reply, state);
}

function registerOne(http: Http, identity: OpenedIdentity): void {
  const params = schemas.idParams;
  http.get(
    "/users/:id/",
    {
      config: { access: signedIn },
      schema: { summary: "One account", params, response: { 200: schemas.userSchema } },
    },
    async (request, reply) => {
      const { principal } = callerOf(request);
      const { id } = request.params;
      if (principal.id !== id) requireRight(principal, "view", "user", id);
      return sendUser(request, reply, identity, id);
    },
  );
  http.patch(
    "/users/:id/",
    {
      config: { access: signedIn },
      schema: {
        summary: "Changes an account",
        description: "Needs the right `change_user`; one's own e-mail address may be changed by anybody.",
        params,
        body: schemas.userPatchBody,
        response: { 200: schemas.userSchema },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { id } = request.params;
      const patch = request.body;
      requireMayPatch(caller.principal, id, patch);
      return changeUser(identity, id, patch, caller, matching(request));
    },
  );
  http.delete(
    "/users/:id/",
    { config: { access: right("delete", "user", "id") }, schema: { summary: "Removes an account", params } },
    async (request, reply) => {
      await removeUser(identity, request.params.id, callerOf(request), matching(request));
      return reply.code(204).send();
    },
  );
}

/** `If-Match` against the account as it is in the transaction that changes it. */
const matching =
  (request: FastifyRequest) =>
  (state: UserState): void =>
    checkPreconditions(request, state);

function requireMayPatch(caller: Principal, id: number, patch: UserPatch): void {
  const ownEmail = isOwn(caller, id) && Object.keys(patch).every((member) => member === "email");
  if (ownEmail) return;
  if (caller.id === id && !may(caller, "change", "user", String(id)))
    throw forbidden("Of your own account you can change the email only.");
  requireRight(caller, "change", "user", id);
}

function registerPassword(http: Http, identity: OpenedIdentity): void {
  http.post(
    "/users/:id/password/",
    {
      config: { access: signedIn, idempotent: false },
      schema: {
        summary: "Sets the password of an account",
        description:
          "One's own with `old_password`, another's with the right `change_user`. Ends the account's sessions; " +
          "a caller with a session gets a new one.",
        params: schemas.idParams,
        body: schemas.passwordBody,
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const { id } = request.params;
      await changePassword(identity, id, request.body, caller, request.ip);
      if (caller.principal.via === "session" && caller.principal.id === id)
        await putSession(request, reply, identity, caller.principal);
      return reply.code(204).send();
    },
  );
}
