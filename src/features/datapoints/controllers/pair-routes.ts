import { Type } from "typebox";
import { actorOf } from "../../../kernel/changes/actor.ts";
import { checkPreconditions, sendWithEtag } from "../../../kernel/http/etag.ts";
import { page } from "../../../kernel/http/paging.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { readCursor } from "../queries.ts";
import { routeConfig } from "../route-config.ts";
import { idParams } from "../schemas.ts";
import type { ControlledDatapoint } from "./model.ts";
import type { ControlledDatapoints } from "./pairs.ts";
import { type PairQuery, pairInput, pairList, pairObject, pairPatch, pairQuery } from "./schemas.ts";
import { getPair, listPairs, type PairFilter } from "./store.ts";
import { pairView } from "./views.ts";

/** `/controlled_datapoint/`; `prefix` ends with a slash. */
export function registerPairRoutes(kernel: Kernel, pairs: ControlledDatapoints, prefix: string): void {
  const path = `${prefix}controlled_datapoint/`;
  registerList(kernel, path);
  registerCreate(kernel, pairs, path);
  registerRead(kernel, `${path}:id/`);
  registerPut(kernel, pairs, `${path}:id/`);
  registerPatch(kernel, pairs, `${path}:id/`);
  registerDelete(kernel, pairs, `${path}:id/`);
}

function registerList({ http, database }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "controlleddatapoint"),
      schema: {
        summary: "Pairs of a sensor and an actuator given to controllers, by id",
        querystring: pairQuery,
        response: { 200: pairList },
      },
    },
    async (request, reply) => {
      const { limit } = request.query;
      const rows = await listPairs(database.read, filterOf(request.query));
      const shown = limit === undefined ? rows : page(request, reply, rows, limit, ({ id }) => [id]);
      return shown.map(pairView);
    },
  );
}

function filterOf(query: PairQuery): PairFilter {
  const [after] = readCursor(query.cursor);
  return {
    ...(query.controller === undefined ? {} : { controllerId: query.controller }),
    ...(query.sensor_datapoint === undefined ? {} : { sensorId: query.sensor_datapoint }),
    ...(query.actuator_datapoint === undefined ? {} : { actuatorId: query.actuator_datapoint }),
    ...(query.is_active === undefined ? {} : { isActive: query.is_active }),
    ...(query.builtin === undefined ? {} : { builtin: query.builtin }),
    ...(after === undefined ? {} : { after }),
    ...(query.limit === undefined ? {} : { limit: query.limit + 1 }),
  };
}

function registerCreate({ http }: Kernel, pairs: ControlledDatapoints, path: string): void {
  http.post(
    path,
    {
      config: routeConfig("add", "controlleddatapoint"),
      schema: {
        summary: "Give a sensor and an actuator to a controller",
        body: pairInput,
        response: { 201: pairObject },
      },
    },
    async (request, reply) => {
      const created = await pairs.create(request.body, actorOf(request));
      return sendWithEtag(request, reply.code(201), pairView(created));
    },
  );
}

function registerRead({ http, database }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "controlleddatapoint", "id"),
      schema: { summary: "One pair", params: idParams, response: { 200: pairObject } },
    },
    async (request, reply) => {
      const pair = await getPair(database.read, Number(request.params.id));
      return sendWithEtag(request, reply, pairView(pair));
    },
  );
}

function registerPut({ http }: Kernel, pairs: ControlledDatapoints, path: string): void {
  http.put(
    path,
    {
      config: routeConfig("change", "controlleddatapoint", "id"),
      schema: {
        summary: "Replace a pair; flags that are missing get their defaults",
        params: idParams,
        body: pairInput,
        response: { 200: pairObject },
      },
    },
    async (request, reply) => {
      const check = (current: ControlledDatapoint) => checkPreconditions(request, pairView(current));
      const wanted = { is_active: true, builtin: false, ...request.body };
      const changed = await pairs.change(Number(request.params.id), wanted, actorOf(request), check);
      return sendWithEtag(request, reply, pairView(changed));
    },
  );
}

function registerPatch({ http }: Kernel, pairs: ControlledDatapoints, path: string): void {
  http.patch(
    path,
    {
      config: routeConfig("change", "controlleddatapoint", "id"),
      schema: {
        summary: "Change a pair, or switch it on or off",
        params: idParams,
        body: pairPatch,
        response: { 200: pairObject },
      },
    },
    async (request, reply) => {
      const check = (current: ControlledDatapoint) => checkPreconditions(request, pairView(current));
      const id = Number(request.params.id);
      const changed = await pairs.change(id, request.body, actorOf(request), check);
      return sendWithEtag(request, reply, pairView(changed));
    },
  );
}

function registerDelete({ http }: Kernel, pairs: ControlledDatapoints, path: string): void {
  http.delete(
    path,
    {
      config: routeConfig("delete", "controlleddatapoint", "id"),
      schema: {
        summary: "Take a pair from its controller",
        params: idParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const check = (current: ControlledDatapoint) => checkPreconditions(request, pairView(current));
      await pairs.remove(Number(request.params.id), actorOf(request), check);
      return reply.code(204).send(null);
    },
  );
}
