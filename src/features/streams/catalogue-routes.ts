import type { FastifyRequest } from "fastify";
import { actorOf } from "../../kernel/changes/actor.ts";
import { invalidField, Problem } from "../../kernel/errors.ts";
import { checkPreconditions, etagOf } from "../../kernel/http/etag.ts";
import { decodeCursor, page } from "../../kernel/http/paging.ts";
import { right } from "../../kernel/http/surface.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { StreamFilter } from "../../kernel/timeseries/store.ts";
import { storedBytes } from "../../kernel/timeseries/stream-bytes.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";
import { countPoints } from "./counts.ts";
import { detailQuery, idParams, listQuery, streamList, streamObject, streamPatch } from "./schemas.ts";
import type { Streams } from "./streams.ts";
import { definitionView, streamView } from "./views.ts";

const tags = ["Streams"];
const defaultLimit = 100;

/** The caller of a route that needs a right, and so is somebody. */
export function callerOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new Problem("unauthenticated");
  return request.principal;
}

/** Ids separated by commas, as the schema lets them through. */
export const readIds = (list: string): readonly number[] => list.split(",").map(Number);

/** `/streams/` and `/streams/{id}/`. */
export function registerCatalogueRoutes(kernel: Kernel, streams: Streams): void {
  const { http } = kernel;

  http.get(
    "/streams/",
    {
      config: { access: right("view", "stream") },
      schema: {
        tags,
        summary: "Streams of all features, with their newest value",
        description:
          "Those whose feature lets the caller see them, by id; 100 at a time unless `limit` says otherwise, the " +
          "Link header leads on. `label.NAME=value` asks for a label.",
        querystring: listQuery,
        response: { 200: streamList },
      },
    },
    async (request, reply) => {
      const { limit = defaultLimit, detail } = request.query;
      const filter = filterOf(request.query as ListQuery, limit + 1);
      const rows = filter ? await streams.list(callerOf(request), filter) : [];
      const shown = page(request, reply, rows, limit, ({ id }) => [id]);
      return (await viewsOf(kernel, shown, detail === "full")) as never;
    },
  );

  http.get(
    "/streams/:id/",
    {
      config: { access: right("view", "stream", "id") },
      schema: {
        tags,
        summary: "One stream with its newest value",
        params: idParams,
        querystring: detailQuery,
        response: { 200: streamObject },
      },
    },
    async (request, reply) => {
      const stream = await streams.get(callerOf(request), Number(request.params.id));
      const [view] = await viewsOf(kernel, [stream], request.query.detail === "full");
      return reply.header("etag", etagOf(definitionView(stream))).send(view as never);
    },
  );

  http.patch(
    "/streams/:id/",
    {
      config: { access: right("change", "stream", "id") },
      schema: {
        tags,
        summary: "Change unit, labels, tags, retention or mode of a stream",
        params: idParams,
        body: streamPatch,
        response: { 200: streamObject },
      },
    },
    async (request, reply) => {
      const check = (current: Stream) => checkPreconditions(request, definitionView(current));
      const id = Number(request.params.id);
      const changed = await streams.patch(callerOf(request), id, request.body, actorOf(request), check);
      const [view] = await viewsOf(kernel, [changed], false);
      return reply.header("etag", etagOf(definitionView(changed))).send(view as never);
    },
  );
}

interface ListQuery {
  readonly owner?: string;
  readonly unit?: string;
  readonly tag?: readonly string[];
  readonly search?: string;
  readonly ids?: string;
  readonly cursor?: string;
  readonly [label: `label.${string}`]: unknown;
}

/** @returns undefined when nothing can match */
function filterOf(query: ListQuery, limit: number): StreamFilter | undefined {
  const { owner, unit, tag, search, ids, cursor } = query;
  const labels = labelsOf(query);
  if (labels === undefined) return undefined;
  const [after] = cursor === undefined ? [] : decodeCursor(cursor, ["number"]);
  return {
    limit,
    ...(owner === undefined ? {} : { owner }),
    ...(unit === undefined ? {} : { unit }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(search === undefined || search === "" ? {} : { search }),
    ...(ids === undefined ? {} : { ids: [...new Set(readIds(ids))] }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(after === undefined ? {} : { after: Number(after) }),
  };
}

/** Undefined when a label is to have two values at once. */
function labelsOf(query: object): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = Object.create(null);
  for (const [field, given] of Object.entries(query)) {
    if (!field.startsWith("label.")) continue;
    const [value, ...others] = [given].flat() as string[];
    const name = field.slice("label.".length);
    if (name === "" || name.includes("\0") || value?.includes("\0"))
      throw invalidField(field.slice(0, 60), "Write label.NAME=value, without control characters.");
    if (others.some((other) => other !== value)) return undefined;
    labels[name] = value ?? "";
  }
  return labels;
}

async function viewsOf(
  kernel: Kernel,
  streams: readonly Stream[],
  full: boolean,
): Promise<readonly object[]> {
  const last = await kernel.timeseries.latest(streams.map(({ id }) => id));
  const views = streams.map((stream, index) => streamView(stream, last[index]));
  if (!full || streams.length === 0) return views;
  const points = await countPoints(kernel.timeseries, streams);
  const bytes = await storedBytes(kernel.database.read, streams);
  return views.map((view, index) => ({
    ...view,
    points: points[index] ?? 0,
    bytes: bytes.get(view.id) ?? 0,
  }));
}
