import { Type } from "typebox";
import { actorOf } from "../../../kernel/changes/actor.ts";
import { checkPreconditions, sendWithEtag } from "../../../kernel/http/etag.ts";
import { page } from "../../../kernel/http/paging.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { readCursor } from "../queries.ts";
import { routeConfig } from "../route-config.ts";
import { idParams } from "../schemas.ts";
import type { Controllers } from "./controllers.ts";
import { type Controller, listTopic } from "./model.ts";
import {
  controllerInput,
  controllerList,
  controllerObject,
  controllerPatch,
  controllerQuery,
} from "./schemas.ts";
import { getController, listControllers } from "./store.ts";
import { controllerView } from "./views.ts";

/** `/controller/`; `prefix` ends with a slash. */
export function registerControllerRoutes(kernel: Kernel, controllers: Controllers, prefix: string): void {
  const path = `${prefix}controller/`;
  registerList(kernel, path);
  registerCreate(kernel, controllers, path);
  registerRead(kernel, `${path}:id/`);
  registerPut(kernel, controllers, `${path}:id/`);
  registerPatch(kernel, controllers, `${path}:id/`);
  registerDelete(kernel, controllers, `${path}:id/`);
}

/** No stored text has a NUL, and PostgreSQL takes none in a parameter; an empty filter is none. */
const given = <Name extends string>(name: Name, text: string | undefined): { [N in Name]?: string } =>
  (text === undefined || text === "" ? {} : { [name]: text.replaceAll("\0", "\ufffd") }) as {
    [N in Name]?: string;
  };

function registerList({ http, database }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "controller"),
      schema: {
        summary: "Controllers by id",
        querystring: controllerQuery,
        response: { 200: controllerList },
      },
    },
    async (request, reply) => {
      const { limit, cursor, name, name__icontains, mqtt_topic_controlled_datapoints } = request.query;
      const [after] = readCursor(cursor);
      const rows = await listControllers(database.read, {
        ...given("name", name),
        ...given("nameContains", name__icontains),
        ...given("topic", mqtt_topic_controlled_datapoints),
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit: limit + 1 }),
      });
      const shown = limit === undefined ? rows : page(request, reply, rows, limit, ({ id }) => [id]);
      return shown.map(controllerView);
    },
  );
}

function registerCreate({ http }: Kernel, controllers: Controllers, path: string): void {
  http.post(
    path,
    {
      config: routeConfig("add", "controller"),
      schema: { summary: "Add a controller", body: controllerInput, response: { 201: controllerObject } },
    },
    async (request, reply) => {
      const created = await controllers.create(request.body, actorOf(request));
      return sendWithEtag(request, reply.code(201), controllerView(created));
    },
  );
}

function registerRead({ http, database }: Kernel, path: string): void {
  http.get(
    path,
    {
      config: routeConfig("view", "controller", "id"),
      schema: { summary: "One controller", params: idParams, response: { 200: controllerObject } },
    },
    async (request, reply) => {
      const controller = await getController(database.read, Number(request.params.id));
      return sendWithEtag(request, reply, controllerView(controller));
    },
  );
}

function registerPut({ http }: Kernel, controllers: Controllers, path: string): void {
  http.put(
    path,
    {
      config: routeConfig("change", "controller", "id"),
      schema: {
        summary: "Replace a controller; without a topic it gets the one of its name",
        params: idParams,
        body: controllerInput,
        response: { 200: controllerObject },
      },
    },
    async (request, reply) => {
      const check = (current: Controller) => checkPreconditions(request, controllerView(current));
      const { name, mqtt_topic_controlled_datapoints = listTopic(name) } = request.body;
      const id = Number(request.params.id);
      const wanted = { name, mqtt_topic_controlled_datapoints };
      const changed = await controllers.change(id, wanted, actorOf(request), check);
      return sendWithEtag(request, reply, controllerView(changed));
    },
  );
}

function registerPatch({ http }: Kernel, controllers: Controllers, path: string): void {
  http.patch(
    path,
    {
      config: routeConfig("change", "controller", "id"),
      schema: {
        summary: "Rename a controller, or move its list to another topic",
        params: idParams,
        body: controllerPatch,
        response: { 200: controllerObject },
      },
    },
    async (request, reply) => {
      const check = (current: Controller) => checkPreconditions(request, controllerView(current));
      const id = Number(request.params.id);
      const changed = await controllers.change(id, request.body, actorOf(request), check);
      return sendWithEtag(request, reply, controllerView(changed));
    },
  );
}

function registerDelete({ http }: Kernel, controllers: Controllers, path: string): void {
  http.delete(
    path,
    {
      config: routeConfig("delete", "controller", "id"),
      schema: {
        summary: "Delete a controller with what it was given; its list is emptied",
        params: idParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const check = (current: Controller) => checkPreconditions(request, controllerView(current));
      await controllers.remove(Number(request.params.id), actorOf(request), check);
      return reply.code(204).send(null);
    },
  );
}
