import { Type } from "typebox";
import { actorOf } from "../../kernel/changes/actor.ts";
import { checkPreconditions, etagOf, sendWithEtag } from "../../kernel/http/etag.ts";
import { page } from "../../kernel/http/paging.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Datapoint } from "./model.ts";
import { readCursor, readDatapointFilter } from "./queries.ts";
import { bulkBodyLimit, idLevel, routeConfig } from "./route-config.ts";
import {
  datapointInput,
  datapointList,
  datapointObject,
  datapointPatch,
  datapointQuery,
  detailOnlyQuery,
  idList,
  idParams,
} from "./schemas.ts";
import type { Datapoints } from "./service.ts";
import { getDatapoint, listDatapoints } from "./store.ts";
import { type ValueMessage, valueMessage, type WireForm } from "./values.ts";
import { datapointView, fullView, singleView } from "./views.ts";

const inputs = Type.Array(datapointInput, { maxItems: 100_000 });

/** `/datapoint/` and `/datapoint/{id}/`; `prefix` ends with a slash. */
export function registerDatapointRoutes(kernel: Kernel, datapoints: Datapoints, prefix: string): void {
  const path = `${prefix}datapoint/`;
  registerList(kernel, path);
  registerBulkWrites(kernel, datapoints, path);
  registerActivation(kernel, datapoints, `${path}activate/`, true);
  registerActivation(kernel, datapoints, `${path}deactivate/`, false);
  registerRead(kernel, `${path}${idLevel}/`);
  registerPatch(kernel, datapoints, `${path}${idLevel}/`);
  registerDelete(kernel, datapoints, `${path}${idLevel}/`);
}

function registerList(kernel: Kernel, path: string): void {
  const { http, database } = kernel;
  http.get(
    path,
    {
      config: routeConfig("view", "datapoint"),
      schema: {
        summary: "Datapoints, the active ones by default",
        querystring: datapointQuery,
        response: { 200: datapointList },
      },
    },
    async (request, reply) => {
      const { limit, cursor, detail, values } = request.query;
      const filter = readDatapointFilter(request.query);
      const [after] = readCursor(cursor);
      const rows = filter
        ? await listDatapoints(database.read, {
            ...filter,
            ...(after === undefined ? {} : { after }),
            ...(limit === undefined ? {} : { limit: limit + 1 }),
          })
        : [];
      const shown = limit === undefined ? rows : page(request, reply, rows, limit, ({ id }) => [id]);
      if (detail !== "full") return reply.send(shown.map(datapointView) as never);
      const last = await lastMessages(kernel, shown, formOf(values));
      const { control } = kernel.config.extensions;
      return reply.send(shown.map((one, index) => fullView(one, last[index] ?? null, control)) as never);
    },
  );
}

function registerBulkWrites({ http }: Kernel, datapoints: Datapoints, path: string): void {
  http.post(
    path,
    {
      bodyLimit: bulkBodyLimit,
      config: routeConfig("add", "datapoint"),
      schema: {
        summary: "Create many datapoints, all or none; connectors that are new as well",
        body: inputs,
        response: { 201: datapointList },
      },
    },
    async (request, reply) => {
      const created = await datapoints.createMany(request.body, actorOf(request));
      return reply.code(201).send(created.map(datapointView) as never);
    },
  );

  http.put(
    path,
    {
      bodyLimit: bulkBodyLimit,
      config: routeConfig("change", "datapoint"),
      schema: {
        summary: "Update many datapoints, all or none, found by connector, key and type",
        body: inputs,
        response: { 200: datapointList },
      },
    },
    async (request, reply) => {
      const updated = await datapoints.updateMany(request.body, actorOf(request));
      return reply.send(updated.map(datapointView) as never);
    },
  );
}

function registerActivation({ http }: Kernel, datapoints: Datapoints, path: string, isActive: boolean): void {
  http.post(
    path,
    {
      bodyLimit: bulkBodyLimit,
      config: routeConfig("change", "datapoint"),
      schema: {
        summary: `${isActive ? "Activate" : "Deactivate"} many datapoints; answers the ids that changed`,
        body: idList,
        response: { 200: idList },
      },
    },
    async (request) => {
      const ids = await datapoints.setActive(request.body.ids, isActive, actorOf(request));
      return { ids: [...ids] };
    },
  );
}

function registerRead(kernel: Kernel, path: string): void {
  const { http, database, config } = kernel;
  http.get(
    path,
    {
      config: routeConfig("view", "datapoint", "id"),
      schema: {
        summary: "One datapoint, active or not",
        params: idParams,
        querystring: detailOnlyQuery,
        response: { 200: datapointObject },
      },
    },
    async (request, reply) => {
      const datapoint = await getDatapoint(database.read, Number(request.params.id));
      if (request.query.detail !== "full") return sendWithEtag(request, reply, singleView(datapoint));
      const [last] = await lastMessages(kernel, [datapoint], formOf(request.query.values));
      reply.header("etag", etagOf(singleView(datapoint)));
      return reply.send(fullView(datapoint, last ?? null, config.extensions.control) as never);
    },
  );
}

function registerPatch({ http }: Kernel, datapoints: Datapoints, path: string): void {
  http.patch(
    path,
    {
      config: routeConfig("change", "datapoint", "id"),
      schema: {
        summary: "Change fields of one datapoint, or activate it",
        params: idParams,
        body: datapointPatch,
        response: { 200: datapointObject },
      },
    },
    async (request, reply) => {
      const check = (current: Datapoint) => checkPreconditions(request, singleView(current));
      const id = Number(request.params.id);
      const changed = await datapoints.patch(id, request.body, actorOf(request), check);
      return sendWithEtag(request, reply, singleView(changed));
    },
  );
}

function registerDelete({ http }: Kernel, datapoints: Datapoints, path: string): void {
  http.delete(
    path,
    {
      config: routeConfig("delete", "datapoint", "id"),
      schema: {
        summary: "Delete a datapoint and all its values",
        params: idParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const check = (current: Datapoint) => checkPreconditions(request, singleView(current));
      await datapoints.remove(Number(request.params.id), actorOf(request), check);
      return reply.code(204).send(null);
    },
  );
}

export const formOf = (values: string | undefined): WireForm => (values === "native" ? "native" : "text");

async function lastMessages(
  { timeseries }: Kernel,
  datapoints: readonly Datapoint[],
  form: WireForm,
): Promise<readonly (ValueMessage | null)[]> {
  const streams = datapoints.flatMap((datapoint) => datapoint.streams.value ?? []);
  const points = await timeseries.latest(streams);
  const byStream = new Map(streams.map((stream, index) => [stream, points[index]]));
  return datapoints.map((datapoint) => {
    const { value: stream } = datapoint.streams;
    const point = stream === null ? undefined : byStream.get(stream);
    return point ? valueMessage(point, form) : null;
  });
}
