import { Type } from "typebox";
import type { Reader } from "../database/engine.ts";
import type { Http } from "../http/http.ts";
import { page, pageQuery } from "../http/paging.ts";
import { right } from "../http/surface.ts";
import type { ChangeFilter, ChangeLog, RecordedChange } from "./changes.ts";
import { decodeIdCursor } from "./cursor.ts";

const defaultLimit = 100;

const changeSchema = Type.Object({
  id: Type.Integer(),
  time: Type.Integer({ description: "Milliseconds since 1970, UTC." }),
  actor: Type.Object({
    id: Type.Union([Type.Integer(), Type.Null()], { description: "Null: the server or a device." }),
    name: Type.String(),
    via: Type.String(),
    address: Type.Union([Type.String(), Type.Null()]),
    request_id: Type.Union([Type.String(), Type.Null()]),
  }),
  action: Type.String({ description: "create, update or delete" }),
  resource: Type.String(),
  object: Type.String(),
  before: Type.Unknown(),
  after: Type.Unknown(),
  reason: Type.Union([Type.String(), Type.Null()]),
});

/** PostgreSQL refuses to look for U+0000. */
const storable = "^[^\\u0000]*$";

const query = Type.Object({
  resource: Type.Optional(
    Type.String({ maxLength: 200, pattern: storable, description: "Such as datapoint or user." }),
  ),
  object: Type.Optional(Type.String({ maxLength: 500, pattern: storable, description: "Id of the object." })),
  principal: Type.Optional(
    Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "Id of who did it." }),
  ),
  ...pageQuery,
});

/** `GET /changes/`: who changed what, newest first. */
export function registerChangesRoutes(http: Http, db: Reader, changes: ChangeLog): void {
  http.get(
    "/changes/",
    {
      config: { access: right("view", "change") },
      schema: {
        summary: "Who changed what, newest first",
        description: "100 at a time unless `limit` says otherwise; the Link header leads to the older ones.",
        querystring: query,
        response: { 200: Type.Array(changeSchema) },
      },
    },
    async (request, reply) => {
      const { resource, object, principal, cursor, limit = defaultLimit } = request.query;
      const before = cursor === undefined ? undefined : decodeIdCursor(cursor);
      const filter: ChangeFilter = {
        limit: limit + 1,
        ...(resource === undefined ? {} : { resource }),
        ...(object === undefined ? {} : { object }),
        ...(principal === undefined ? {} : { principalId: principal }),
        ...(before === undefined ? {} : { before }),
      };
      const rows = await changes.list(db, filter);
      return page(request, reply, rows, limit, (change) => [change.id]).map(toWire);
    },
  );
}

const toWire = ({ actor, ...change }: RecordedChange) => ({
  id: change.id,
  time: change.time,
  actor: {
    id: actor.principalId,
    name: actor.name,
    via: actor.via,
    address: actor.address,
    request_id: actor.requestId,
  },
  action: change.action,
  resource: change.resource,
  object: change.object,
  before: change.before,
  after: change.after,
  reason: change.reason ?? null,
});
