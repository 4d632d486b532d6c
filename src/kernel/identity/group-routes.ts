import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { checkPreconditions, sendWithEtag } from "../http/etag.ts";
import type { Http } from "../http/http.ts";
import { right, signedIn } from "../http/surface.ts";
import {
  addGroup,
  addMember,
  changeGroup,
  getGroup,
  listGroups,
  removeGroup,
  removeMember,
} from "./groups.ts";
import type { OpenedIdentity } from "./open.ts";
import { nameOf, roles } from "./permissions.ts";
import * as schemas from "./schemas.ts";
import type { GroupState } from "./states.ts";
import { callerOf } from "./user-routes.ts";

const params = schemas.idParams;
const view = right("view", "group", "id");
const change = right("change", "group", "id");

const matching =
  (request: FastifyRequest) =>
  (state: GroupState): void =>
    checkPreconditions(request, state);

export function registerGroupRoutes(http: Http, identity: OpenedIdentity): void {
  registerGroups(http, identity);
  registerMembers(http, identity);
  registerGroupPermissions(http, identity);
  http.get(
    "/permissions/",
    {
      config: { access: signedIn },
      schema: {
        summary: "All rights there are, and what each role holds",
        response: {
          200: Type.Object({
            permissions: Type.Array(Type.String()),
            roles: Type.Record(Type.String(), Type.Array(Type.String())),
          }),
        },
      },
    },
    () => ({
      permissions: [...identity.permissions],
      roles: Object.fromEntries(roles.map((role) => [role, identity.catalogue.grantsOf(role).map(nameOf)])),
    }),
  );
}

function registerGroups(http: Http, identity: OpenedIdentity): void {
  const db = identity.database.read;
  const one = { 200: schemas.groupSchema };
  http.get(
    "/groups/",
    {
      config: { access: right("view", "group") },
      schema: { summary: "The groups", response: { 200: Type.Array(schemas.groupSchema) } },
    },
    async () => await listGroups(db),
  );
  http.post(
    "/groups/",
    {
      config: { access: right("add", "group") },
      schema: {
        summary: "Makes a group",
        body: schemas.newGroupBody,
        response: { 201: schemas.groupSchema },
      },
    },
    async (request, reply) => {
      const state = await addGroup(identity, request.body, callerOf(request));
      return reply.code(201).header("location", `/groups/${state.id}/`).send(state);
    },
  );
  http.get(
    "/groups/:id/",
    { config: { access: view }, schema: { summary: "One group", params, response: one } },
    async (request, reply) => sendWithEtag(request, reply, await getGroup(db, request.params.id)),
  );
  http.patch(
    "/groups/:id/",
    {
      config: { access: change },
      schema: { summary: "Changes a group", params, body: schemas.groupPatchBody, response: one },
    },
    async (request) =>
      await changeGroup(identity, request.params.id, request.body, callerOf(request), matching(request)),
  );
  http.delete(
    "/groups/:id/",
    { config: { access: right("delete", "group", "id") }, schema: { summary: "Removes a group", params } },
    async (request, reply) => {
      await removeGroup(identity, request.params.id, callerOf(request), matching(request));
      return reply.code(204).send();
    },
  );
}

function registerMembers(http: Http, identity: OpenedIdentity): void {
  const ids = { 200: Type.Array(Type.Integer()) };
  http.get(
    "/groups/:id/members/",
    { config: { access: view }, schema: { summary: "Ids of the members", params, response: ids } },
    async (request) => [...(await getGroup(identity.database.read, request.params.id)).members],
  );
  http.post(
    "/groups/:id/members/",
    {
      config: { access: change },
      schema: { summary: "Takes a user into the group", params, body: schemas.memberBody, response: ids },
    },
    async (request) => {
      const { id } = request.params;
      return [...(await addMember(identity, id, request.body.user, callerOf(request))).members];
    },
  );
  http.delete(
    "/groups/:id/members/:user/",
    {
      config: { access: change },
      schema: { summary: "Puts a user out of the group", params: schemas.memberParams },
    },
    async (request, reply) => {
      const { id, user } = request.params;
      await removeMember(identity, id, user, callerOf(request));
      return reply.code(204).send();
    },
  );
}

function registerGroupPermissions(http: Http, identity: OpenedIdentity): void {
  const names = { 200: schemas.permissionsBody };
  http.get(
    "/groups/:id/permissions/",
    { config: { access: view }, schema: { summary: "Rights of the group", params, response: names } },
    async (request) => [...(await getGroup(identity.database.read, request.params.id)).permissions],
  );
  http.put(
    "/groups/:id/permissions/",
    {
      config: { access: change },
      schema: {
        summary: "Replaces the rights of the group",
        params,
        body: schemas.permissionsBody,
        response: names,
      },
    },
    async (request) => {
      const patch = { permissions: request.body };
      const state = await changeGroup(identity, request.params.id, patch, callerOf(request), () => undefined);
      return [...state.permissions];
    },
  );
}
