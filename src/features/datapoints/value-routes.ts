import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { actorOf } from "../../kernel/changes/actor.ts";
import { linkNext } from "../../kernel/http/paging.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { PointPage } from "../../kernel/timeseries/types.ts";
import { registerAlignedRoute } from "./aligned-routes.ts";
import { meansJson, messagesJson, sendJson, sendJsonPieces } from "./answers.ts";
import { meanRows } from "./means.ts";
import { readIds, readInterval, readRange, restOfRange } from "./queries.ts";
import { bulkBodyLimit, routeConfig } from "./route-config.ts";
import { formOf } from "./routes.ts";
import {
  formOnlyQuery,
  idParams,
  lastValueQuery,
  lastValues,
  messageInput,
  messageList,
  messageObject,
  messageParams,
  upsertSummary,
  type ValueQuery,
  valueQuery,
} from "./schemas.ts";
import { findDatapoint, getDatapoint, listActiveStreams } from "./store.ts";
import { checkActuator, type Values } from "./value-service.ts";
import { messageText } from "./values.ts";

/** Values and last values; `prefix` ends with a slash. */
export function registerValueRoutes(kernel: Kernel, values: Values, prefix: string): void {
  registerLastValues(kernel, prefix);
  registerSend(kernel, values, prefix);
  if (!kernel.config.extensions.history) return;
  const path = `${prefix}datapoint/:id/value/`;
  registerAlignedRoute(kernel, prefix);
  registerHistory(kernel, path);
  registerBulkWrite(kernel, values, path);
  registerSingleRead(kernel, values, `${path}:timestamp/`);
  registerSingleWrite(kernel, values, `${path}:timestamp/`);
  registerSingleDelete(kernel, values, `${path}:timestamp/`);
}

function registerLastValues({ http, database, timeseries }: Kernel, prefix: string): void {
  http.get(
    `${prefix}datapoint/last_value/`,
    {
      config: routeConfig("view", "datapointlastvalue"),
      schema: {
        summary: "The newest value of each active datapoint that has one",
        querystring: lastValueQuery,
        response: { 200: lastValues },
      },
    },
    async (request, reply) => {
      const { datapoint__id__in: list } = request.query;
      const ids = list === undefined || list === "" ? undefined : readIds("datapoint__id__in", list);
      const { from, to } = readRange(request.query);
      const form = formOf(request.query.values);
      const active = await listActiveStreams(database.read, ids);
      const points = await timeseries.latest(active.map(({ stream }) => stream));
      const entries = active.flatMap(({ id }, index) => {
        const point = points[index];
        return point && point.time >= from && point.time < to ? [`"${id}":${messageText(point, form)}`] : [];
      });
      return sendJson(reply, `{"msgs_by_datapoint_id":{${entries.join(",")}}}`);
    },
  );
}

function registerSend({ http, database }: Kernel, values: Values, prefix: string): void {
  http.post(
    `${prefix}datapoint/:id/value/`,
    {
      config: routeConfig("add", "datapointvalue", "id"),
      schema: {
        summary: "Send a value to an actuator over MQTT",
        params: idParams,
        querystring: formOnlyQuery,
        body: messageInput,
        response: { 201: messageObject },
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
      const point = await values.send(id, request.body, formOf(request.query.values), actorOf(request));
      return sendJson(reply.code(201), messageText(point, "native"));
    },
  );
}

function registerHistory({ http, database, timeseries }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "datapointvalue", "id"),
      schema: {
        summary: "Values by time, ascending: all of them, or the means of an interval",
        params: idParams,
        querystring: valueQuery,
        response: { 200: messageList },
      },
    },
    async (request, reply) => {
      const { interval, values: form, limit } = request.query;
      const range = readRange(request.query);
      const width = readInterval(interval);
      const { valueStream } = await getDatapoint(database.read, Number(request.params.id));
      if (valueStream === null) return sendJson(reply, "[]");
      if (width !== undefined) {
        const buckets = meanRows(timeseries, [valueStream], range, width);
        return sendJsonPieces(reply, meansJson(buckets, formOf(form), limit));
      }
      const rest = restOfRange(range, request.query);
      const page = timeseries.read(valueStream, rest);
      if (limit === undefined) return sendJsonPieces(reply, messagesJson(page, formOf(form)));
      return sendPage(request, reply, page, limit);
    },
  );
}

function registerBulkWrite({ http }: Kernel, values: Values, path: string): void {
  http.put(
    path,
    {
      bodyLimit: bulkBodyLimit,
      config: routeConfig("change", "datapointvalue", "id"),
      schema: {
        summary: "Write many values into the history, all or none",
        params: idParams,
        querystring: formOnlyQuery,
        body: Type.Array(messageInput, { maxItems: 1_000_000 }),
        response: { 200: upsertSummary },
      },
    },
    async (request) => {
      const id = Number(request.params.id);
      const form = formOf(request.query.values);
      const { created, updated } = await values.putMany(id, request.body, form, actorOf(request));
      return { msgs_created: created, msgs_updated: updated };
    },
  );
}

/** One page, and the link to the next when something follows. */
async function sendPage(
  request: FastifyRequest<{ Querystring: ValueQuery }>,
  reply: FastifyReply,
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
  return sendJsonPieces(reply, messagesJson(replay, formOf(request.query.values), limit));
}

function registerSingleRead({ http }: Kernel, values: Values, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "datapointvalue", "id"),
      schema: {
        summary: "The value at a timestamp",
        params: messageParams,
        querystring: formOnlyQuery,
        response: { 200: messageObject },
      },
    },
    async (request, reply) => {
      const { id, timestamp } = request.params;
      const point = await values.get(Number(id), Number(timestamp));
      return sendJson(reply, messageText(point, formOf(request.query.values)));
    },
  );
}

function registerSingleWrite({ http }: Kernel, values: Values, path: string): void {
  http.put(
    path,
    {
      config: routeConfig("change", "datapointvalue", "id"),
      schema: {
        summary: "Write one value into the history",
        params: messageParams,
        querystring: formOnlyQuery,
        body: messageInput,
        response: { 201: messageObject },
      },
    },
    async (request, reply) => {
      const { id, timestamp } = request.params;
      const form = formOf(request.query.values);
      const point = await values.put(Number(id), Number(timestamp), request.body, form, actorOf(request));
      return sendJson(reply.code(201), messageText(point, form));
    },
  );
}

function registerSingleDelete({ http }: Kernel, values: Values, path: string): void {
  http.delete(
    path,
    {
      config: routeConfig("delete", "datapointvalue", "id"),
      schema: {
        summary: "Delete the value at a timestamp",
        params: messageParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await values.remove(Number(request.params.id), Number(request.params.timestamp), actorOf(request));
      return reply.code(204).send(null);
    },
  );
}
