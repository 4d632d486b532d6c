import { Type } from "typebox";
import { actorOf } from "../../kernel/changes/actor.ts";
import { checkPreconditions, etagOf } from "../../kernel/http/etag.ts";
import { page } from "../../kernel/http/paging.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { getConnector, type LogFilter, listConnectors, listLogs } from "./connector-store.ts";
import type { Connectors } from "./connectors.ts";
import type { Discovered } from "./discovered.ts";
import { type Connector, connectorNameFault } from "./model.ts";
import { readCursor } from "./queries.ts";
import { idLevel, routeConfig } from "./route-config.ts";
import {
  connectorInput,
  connectorList,
  connectorObject,
  connectorPatch,
  connectorQuery,
  discoveredList,
  idParams,
  type LogQuery,
  logList,
  logQuery,
} from "./schemas.ts";
import { countDatapoints } from "./store.ts";
import { connectorRecord, connectorView } from "./views.ts";

/** `/connector/`; `prefix` ends with a slash. */
export function registerConnectorRoutes(
  kernel: Kernel,
  connectors: Connectors,
  discovered: Discovered,
  prefix: string,
): void {
  const path = `${prefix}connector/`;
  registerList(kernel, path);
  registerCreate(kernel, connectors, path);
  registerDiscovered(kernel, discovered, `${path}discovered/`);
  registerRead(kernel, `${path}${idLevel}/`);
  registerRename(kernel, connectors, `${path}${idLevel}/`);
  registerDelete(kernel, connectors, `${path}${idLevel}/`);
  registerLogs(kernel, `${path}:id/logs/`);
}

function registerList({ http, database, clock }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "connector"),
      schema: {
        summary: "Connectors by id",
        querystring: connectorQuery,
        response: { 200: connectorList },
      },
    },
    async (request, reply) => {
      const { limit, cursor, name } = request.query;
      const [after] = readCursor(cursor);
      const rows = await listConnectors(database.read, {
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit: limit + 1 }),
        ...(name === undefined || name === "" ? {} : { name: name.replaceAll("\0", "\ufffd") }),
      });
      const counts = await countDatapoints(database.read);
      const shown = limit === undefined ? rows : page(request, reply, rows, limit, ({ id }) => [id]);
      return shown.map((row) => connectorView(row, counts.get(row.id), clock.now())) as never;
    },
  );
}

function registerCreate({ http, clock }: Kernel, connectors: Connectors, path: string): void {
  http.post(
    path,
    {
      config: routeConfig("add", "connector"),
      schema: { summary: "Add a connector", body: connectorInput, response: { 201: connectorObject } },
    },
    async (request, reply) => {
      const created = await connectors.create(request.body.name, actorOf(request));
      reply.code(201).header("etag", etagOf(connectorRecord(created)));
      return reply.send(connectorView(created, undefined, clock.now()) as never);
    },
  );
}

function registerDiscovered({ http, database, clock }: Kernel, discovered: Discovered, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "connector"),
      schema: {
        summary: "Connectors heard on the broker that are not added",
        response: { 200: discoveredList },
      },
    },
    async () => {
      const added = new Set((await listConnectors(database.read)).map(({ name }) => name));
      return discovered
        .list()
        .filter(({ name }) => !added.has(name))
        .map((stranger) => ({
          name: stranger.name,
          last_heard: stranger.lastHeard,
          alive: stranger.nextHeartbeat === null ? null : clock.now() <= stranger.nextHeartbeat,
          next_heartbeat: stranger.nextHeartbeat,
          sensors: stranger.sensors,
          actuators: stranger.actuators,
          can_be_added: connectorNameFault(stranger.name) === undefined,
        }));
    },
  );
}

async function viewOf({ database, clock }: Kernel, connector: Connector): Promise<never> {
  const counts = await countDatapoints(database.read, connector.id);
  // Its topics are a record in the schema, for the sake of readers.
  return connectorView(connector, counts.get(connector.id), clock.now()) as never;
}

function registerRead(kernel: Kernel, path: string): void {
  const { http, database } = kernel;
  http.get(
    path,
    {
      config: routeConfig("view", "connector", "id"),
      schema: {
        summary: "One connector with its state and topics",
        params: idParams,
        response: { 200: connectorObject },
      },
    },
    async (request, reply) => {
      const connector = await getConnector(database.read, Number(request.params.id));
      reply.header("etag", etagOf(connectorRecord(connector)));
      return reply.send(await viewOf(kernel, connector));
    },
  );
}

function registerRename(kernel: Kernel, connectors: Connectors, path: string): void {
  const { http } = kernel;
  http.patch(
    path,
    {
      config: routeConfig("change", "connector", "id"),
      schema: {
        summary: "Rename a connector; its topics change",
        params: idParams,
        body: connectorPatch,
        response: { 200: connectorObject },
      },
    },
    async (request, reply) => {
      const check = (current: Connector) => checkPreconditions(request, connectorRecord(current));
      const id = Number(request.params.id);
      const changed = await connectors.rename(id, request.body.name, actorOf(request), check);
      reply.header("etag", etagOf(connectorRecord(changed)));
      return reply.send(await viewOf(kernel, changed));
    },
  );
}

function registerDelete({ http }: Kernel, connectors: Connectors, path: string): void {
  http.delete(
    path,
    {
      config: routeConfig("delete", "connector", "id"),
      schema: {
        summary: "Delete a connector, its datapoints, their values and its log",
        params: idParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const check = (current: Connector) => checkPreconditions(request, connectorRecord(current));
      await connectors.remove(Number(request.params.id), actorOf(request), check);
      return reply.code(204).send(null);
    },
  );
}

const defaultLogLimit = 100;

function registerLogs(kernel: Kernel, path: string): void {
  const { http, database } = kernel;
  http.get(
    path,
    {
      config: routeConfig("view", "connectorlogentry"),
      schema: {
        summary: "Log of a connector, newest first, 100 entries a page by default",
        params: idParams,
        querystring: logQuery,
        response: { 200: logList },
      },
    },
    async (request, reply) => {
      const { id } = await getConnector(database.read, Number(request.params.id));
      const limit = request.query.limit ?? defaultLogLimit;
      const rows = await listLogs(database.read, logFilter(id, request.query, limit + 1));
      const shown = page(request, reply, rows, limit, (entry) => [entry.timestamp, entry.id]);
      return shown.map((entry) => ({
        id: entry.id,
        timestamp: entry.timestamp,
        level: entry.level,
        emitter: entry.emitter,
        msg: entry.msg,
      }));
    },
  );
}

function logFilter(connectorId: number, query: LogQuery, limit: number): LogFilter {
  const { level, level__gte: minLevel, emitter, msg__icontains: contains, cursor } = query;
  const [timestamp, id] = readCursor(cursor, 2);
  return {
    connectorId,
    limit,
    ...(level === undefined ? {} : { level }),
    ...(minLevel === undefined ? {} : { minLevel }),
    // Stored entries have no NUL: see `storable`.
    ...(emitter === undefined || emitter === "" ? {} : { emitter: emitter.replaceAll("\0", "\ufffd") }),
    ...(contains === undefined || contains === "" ? {} : { contains: contains.replaceAll("\0", "\ufffd") }),
    ...(timestamp === undefined || id === undefined ? {} : { before: { timestamp, id } }),
  };
}
