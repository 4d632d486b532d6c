import { actorOf } from "../../kernel/changes/actor.ts";
import { decodeCursor, page } from "../../kernel/http/paging.ts";
import { right } from "../../kernel/http/surface.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { callerOf } from "./catalogue-routes.ts";
import {
  editBody,
  editList,
  editListQuery,
  editObject,
  editParams,
  editPreview,
  undoBody,
} from "./edit-schemas.ts";
import { Edits, editView } from "./edits.ts";
import { idParams } from "./schemas.ts";
import type { Streams } from "./streams.ts";

const tags = ["Streams"];
const defaultLimit = 100;

/** `/streams/{id}/edits/`. */
export function registerEditRoutes(kernel: Kernel, streams: Streams): void {
  const { http } = kernel;
  const edits = new Edits(kernel, streams);

  http.get(
    "/streams/:id/edits/",
    {
      config: { access: right("view", "stream", "id") },
      schema: {
        tags,
        summary: "The edits of a stream, newest first",
        params: idParams,
        querystring: editListQuery,
        response: { 200: editList },
      },
    },
    async (request, reply) => {
      const { limit = defaultLimit, cursor } = request.query;
      const [before] = cursor === undefined ? [] : decodeCursor(cursor, ["number"]);
      const wanted = { limit: limit + 1, ...(before === undefined ? {} : { before: Number(before) }) };
      const rows = await edits.list(callerOf(request), Number(request.params.id), wanted);
      return page(request, reply, rows, limit, ({ id }) => [id]).map(editView);
    },
  );

  http.post(
    "/streams/:id/edits/",
    {
      config: { access: right("change", "stream", "id") },
      schema: {
        tags,
        summary: "Change the points of a range, or see what a change would do",
        description:
          "All or nothing. What the points were is kept, so that the edit can be undone. With `preview` the totals " +
          "before and after are told (200) and nothing is changed.",
        params: idParams,
        body: editBody,
        response: { 200: editPreview, 201: editObject },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const id = Number(request.params.id);
      if (body.preview === true) return edits.preview(callerOf(request), id, body);
      const made = await edits.apply(callerOf(request), id, body, actorOf(request));
      return reply.code(201).send(editView(made));
    },
  );

  http.post(
    "/streams/:id/edits/:edit/undo/",
    {
      config: { access: right("change", "stream", "id") },
      schema: {
        tags,
        summary: "Give the range the points it had before the edit",
        description:
          "Refused (409) when points of the range have changed since. It is an edit itself: undoing it makes the " +
          "first one again.",
        params: editParams,
        body: undoBody,
        response: { 201: editObject },
      },
    },
    async (request, reply) => {
      const { id, edit } = request.params;
      const { reason } = request.body;
      const made = await edits.undo(callerOf(request), Number(id), Number(edit), reason, actorOf(request));
      return reply.code(201).send(editView(made));
    },
  );
}
