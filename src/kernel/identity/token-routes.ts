import { Type } from "typebox";
import { invalidField } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { signedIn } from "../http/surface.ts";
import { createToken } from "./accounts.ts";
import { forbidden, isOwn, requireRight } from "./guards.ts";
import type { OpenedIdentity } from "./open.ts";
import { may } from "./principal.ts";
import * as schemas from "./schemas.ts";
import { getToken, listTokens, requireMayMakeToken, revokeToken } from "./tokens.ts";
import { callerOf } from "./user-routes.ts";

export function registerTokenRoutes(http: Http, identity: OpenedIdentity): void {
  registerTokens(http, identity);
  registerToken(http, identity);
}

function registerTokens(http: Http, identity: OpenedIdentity): void {
  http.get(
    "/tokens/",
    {
      config: { access: signedIn },
      schema: {
        summary: "One's own tokens, or with the right `view_token` another's",
        querystring: schemas.ownerQuery,
        response: { 200: Type.Array(schemas.tokenSchema) },
      },
    },
    async (request) => {
      const { principal } = callerOf(request);
      const owner = request.query.user ?? principal.id;
      if (!isOwn(principal, owner) && !may(principal, "view", "token")) {
        if (owner === principal.id) throw forbidden("A token with scopes needs view_token among them.");
        requireRight(principal, "view", "user", owner);
        throw forbidden("It needs the right view_token.");
      }
      return await listTokens(identity.database.read, owner);
    },
  );
  http.post(
    "/tokens/",
    {
      config: { access: signedIn, idempotent: false },
      schema: {
        summary: "Makes a token and shows it this once",
        description:
          "For another user with the right `add_token`, and then with scopes the caller has itself.",
        querystring: schemas.ownerQuery,
        body: schemas.newTokenBody,
        response: { 201: schemas.newTokenSchema },
      },
    },
    async (request, reply) => {
      const { principal, actor } = callerOf(request);
      const { name = "", scopes = null, expires_at = null } = request.body;
      const user = request.query.user ?? principal.id;
      await requireMayMakeToken(identity, principal, user, scopes);
      const expiresAt = instantOf(expires_at);
      const made = await createToken(identity, { user, name, scopes, expiresAt }, actor);
      return reply.code(201).header("location", `/tokens/${made.id}/`).send(made);
    },
  );
}

function registerToken(http: Http, identity: OpenedIdentity): void {
  const params = schemas.idParams;
  http.get(
    "/tokens/:id/",
    {
      config: { access: signedIn },
      schema: { summary: "One token", params, response: { 200: schemas.tokenSchema } },
    },
    async (request) => {
      const { principal } = callerOf(request);
      return await getToken(identity.database.read, request.params.id, principal);
    },
  );
  http.delete(
    "/tokens/:id/",
    { config: { access: signedIn }, schema: { summary: "Revokes a token at once", params } },
    async (request, reply) => {
      await revokeToken(identity, request.params.id, callerOf(request));
      return reply.code(204).send();
    },
  );
}

const isoInstant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** Milliseconds UTC. */
function instantOf(given: number | string | null): number | null {
  if (typeof given !== "string") return given;
  const time = isoInstant.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(time))
    throw invalidField(
      "expires_at",
      `${JSON.stringify(given.slice(0, 60))} is neither milliseconds nor ISO 8601 with an offset, like 2030-01-31T12:00:00Z.`,
    );
  return time;
}
