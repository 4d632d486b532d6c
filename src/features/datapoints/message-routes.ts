import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { actorOf } from "../../kernel/changes/actor.ts";
import { linkNext } from "../../kernel/http/paging.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { PointPage } from "../../kernel/timeseries/types.ts";
import { registerAlignedRoute } from "./aligned-routes.ts";
import { meansJson, messagesJson, sendJson, sendJsonPieces } from "./answers.ts";
import { commandHeader } from "./commands/service.ts";
import { meanRows } from "./means.ts";
import { messageText } from "./message-texts.ts";
import { checkActuator, type Messages } from "./messages.ts";
import { type MessageKind, messageKinds } from "./model.ts";
import { readIds, readInterval, readRange, restOfRange } from "./queries.ts";
import { bulkBodyLimit, routeConfig } from "./route-config.ts";
import { formOf } from "./routes.ts";
import {
  formOnlyQuery,
  idParams,
  lastObjects,
  lastQuery,
  type MessageInput,
  type MessageQuery,
  messageInputs,
  messageObjects,
  messageParams,
  messageQuery,
  upsertSummary,
  type ValueQuery,
  valueQuery,
} from "./schemas.ts";
import { findDatapoint, getDatapoint, listActiveStreams } from "./store.ts";

/** What the routes of one kind of message share. */
interface Route {
  readonly kernel: Kernel;
  readonly messages: Messages;
  readonly kind: MessageKind;
  /** Of the list, ending with a slash. */
  readonly path: string;
}

/**
 * Values, and with the control extension setpoints and schedules; what is beyond the newest belongs to the history
 * extension. `prefix` ends with a slash.
 */
export function registerMessageRoutes(kernel: Kernel, messages: Messages, prefix: string): void {
  const { control, history } = kernel.config.extensions;
  if (history) registerAlignedRoute(kernel, prefix);
  for (const kind of messageKinds) {
    if (kind !== "value" && !control) continue;
    const route = { kernel, messages, kind, path: `${prefix}datapoint/:id/${kind}/` };
    registerLast(kernel, kind, prefix);
    registerSend(route);
    if (!history) continue;
    registerHistory(route);
    registerBulkWrite(route);
    registerSingleRead(route);
    registerSingleWrite(route);
    registerSingleDelete(route);
  }
}

function registerLast({ http, database, timeseries }: Kernel, kind: MessageKind, prefix: string): void {
  http.get(
    `${prefix}datapoint/last_${kind}/`,
    {
      config: routeConfig("view", `datapointlast${kind}`),
      schema: {
        summary: `The newest ${kind} of each active datapoint that has one`,
        querystring: lastQuery,
        response: { 200: lastObjects[kind] },
      },
    },
    async (request, reply) => {
      const { datapoint__id__in: list } = request.query;
      const ids = list === undefined || list === "" ? undefined : readIds("datapoint__id__in", list);
      const { from, to } = readRange(request.query);
      const form = formOf(request.query.values);
      const active = await listActiveStreams(database.read, kind, ids);
      const points = await timeseries.latest(active.map(({ stream }) => stream));
      const entries = active.flatMap(({ id }, index) => {
        const point = points[index];
        const isWanted = point && point.time >= from && point.time < to;
        return isWanted ? [`"${id}":${messageText(kind, point, form)}`] : [];
      });
      return sendJson(reply, `{"msgs_by_datapoint_id":{${entries.join(",")}}}`);
    },
  );
}

function registerSend({ kernel, messages, kind, path }: Route): void {
  const { http, database } = kernel;
  http.post(
    path,
    {
      config: routeConfig("add", `datapoint${kind}`, "id"),
      schema: {
        summary: `Send a ${kind} to an actuator over MQTT`,
        params: idParams,
        querystring: formOnlyQuery,
        body: messageInputs[kind],
        response: { 201: messageObjects[kind] },
      },
      // Before the body is checked: to a sensor nothing can be sent, whatever the body says.
      preValidation: async (request: FastifyRequest) => {
        const { id } = request.params as { id: string };
        const datapoint = /^\d{1,15}$/.test(id) ? await findDatapoint(database.read, Number(id)) : undefined;
        if (datapoint) checkActuator(datapoint);
      },
    },
    async (request, reply) => {
      const id = Number(request.params.id);
      const input = request.body as unknown as MessageInput;
      const form = formOf(request.query.values);
      const { point, commandPath } = await messages.send(id, kind, input, form, actorOf(request));
      reply.code(201).header(commandHeader, commandPath);
      return sendJson(reply, messageText(kind, point, "native"));
    },
  );
}

function registerHistory({ kernel, kind, path }: Route): void {
  const { http, database, timeseries } = kernel;
  http.get(
    path,
    {
      config: routeConfig("view", `datapoint${kind}`, "id"),
      schema: {
        summary:
          kind === "value"
            ? "Values by time, ascending: all of them, or the means of an interval"
            : `${kind === "setpoint" ? "Setpoints" : "Schedules"} by time, ascending; sensors have none`,
        params: idParams,
        querystring: kind === "value" ? valueQuery : messageQuery,
        response: { 200: Type.Array(messageObjects[kind]) },
      },
    },
    async (request, reply) => {
      const query: MessageQuery = request.query;
      const range = readRange(query);
      const width = kind === "value" ? readInterval((query as ValueQuery).interval) : undefined;
      const stream = (await getDatapoint(database.read, Number(request.params.id))).streams[kind];
      if (stream === null) return sendJson(reply, "[]");
      if (width !== undefined) {
        const buckets = meanRows(timeseries, [stream], range, width);
        return sendJsonPieces(reply, meansJson(buckets, formOf(query.values), query.limit));
      }
      const page = timeseries.read(stream, restOfRange(range, query));
      if (query.limit === undefined)
        return sendJsonPieces(reply, messagesJson(kind, page, formOf(query.values)));
      return sendPage(request, reply, kind, page, query.limit);
    },
  );
}

function registerBulkWrite({ kernel, messages, kind, path }: Route): void {
  kernel.http.put(
    path,
    {
      bodyLimit: bulkBodyLimit,
      config: routeConfig("change", `datapoint${kind}`, "id"),
      schema: {
        summary: `Write many ${kind}s into the history, all or none`,
        params: idParams,
        querystring: formOnlyQuery,
        body: Type.Array(messageInputs[kind], { maxItems: 1_000_000 }),
        response: { 200: upsertSummary },
      },
    },
    async (request) => {
      const id = Number(request.params.id);
      const inputs = request.body as unknown as readonly MessageInput[];
      const form = formOf(request.query.values);
      const { created, updated } = await messages.putMany(id, kind, inputs, form, actorOf(request));
      return { msgs_created: created, msgs_updated: updated };
    },
  );
}

/** One page, and the link to the next when something follows. */
async function sendPage(
  request: FastifyRequest<{ Querystring: MessageQuery }>,
  reply: FastifyReply,
  kind: MessageKind,
  pages: AsyncIterable<PointPage>,
  limit: number,
): Promise<FastifyReply> {
  const kept: PointPage[] = [];
  let count = 0;
  for await (const page of pages) {
    kept.push(page);
    count += page.times.length;
    if (count > limit) break;
  }
  const times = kept.flatMap((page) => [...page.times]);
  const last = times[limit - 1];
  if (count > limit && last !== undefined) linkNext(request, reply, [last]);
  const replay = (async function* () {
    yield* kept;
  })();
  return sendJsonPieces(reply, messagesJson(kind, replay, formOf(request.query.values), limit));
}

function registerSingleRead({ kernel, messages, kind, path }: Route): void {
  kernel.http.get(
    `${path}:timestamp/`,
    {
      config: routeConfig("view", `datapoint${kind}`, "id"),
      schema: {
        summary: `The ${kind} at a timestamp`,
        params: messageParams,
        querystring: formOnlyQuery,
        response: { 200: messageObjects[kind] },
      },
    },
    async (request, reply) => {
      const { id, timestamp } = request.params;
      const point = await messages.get(Number(id), kind, Number(timestamp));
      return sendJson(reply, messageText(kind, point, formOf(request.query.values)));
    },
  );
}

function registerSingleWrite({ kernel, messages, kind, path }: Route): void {
  kernel.http.put(
    `${path}:timestamp/`,
    {
      config: routeConfig("change", `datapoint${kind}`, "id"),
      schema: {
        summary: `Write one ${kind} into the history`,
        params: messageParams,
        querystring: formOnlyQuery,
        body: messageInputs[kind],
        response: { 201: messageObjects[kind] },
      },
    },
    async (request, reply) => {
      const form = formOf(request.query.values);
      const [id, timestamp] = [Number(request.params.id), Number(request.params.timestamp)];
      const input = request.body as unknown as MessageInput;
      const point = await messages.put(id, kind, timestamp, input, form, actorOf(request));
      return sendJson(reply.code(201), messageText(kind, point, form));
    },
  );
}

function registerSingleDelete({ kernel, messages, kind, path }: Route): void {
  kernel.http.delete(
    `${path}:timestamp/`,
    {
      config: routeConfig("delete", `datapoint${kind}`, "id"),
      schema: {
        summary: `Delete the ${kind} at a timestamp`,
        params: messageParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const [id, timestamp] = [Number(request.params.id), Number(request.params.timestamp)];
      await messages.remove(id, kind, timestamp, actorOf(request));
      return reply.code(204).send(null);
    },
  );
}
