import { Type } from "typebox";
import { actorOf } from "../../../kernel/changes/actor.ts";
import { checkPreconditions, etagOf } from "../../../kernel/http/etag.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { routeConfig } from "../route-config.ts";
import { formOf } from "../routes.ts";
import { formOnlyQuery, idParams } from "../schemas.ts";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import { guardInput, guardObject } from "./schemas.ts";
import { guardView } from "./views.ts";

/** `/datapoint/{id}/guard/`; `prefix` ends with a slash. */
export function registerGuardRoutes({ http }: Kernel, guards: Guards, prefix: string): void {
  const path = `${prefix}datapoint/:id/guard/`;
  const tagOf = (guard: Guard): string => etagOf(guardView(guard, "native"));

  http.get(
    path,
    {
      config: routeConfig("view", "datapointguard", "id"),
      schema: {
        summary: "Guard rails of an actuator",
        params: idParams,
        querystring: formOnlyQuery,
        response: { 200: guardObject },
      },
    },
    async (request, reply) => {
      const guard = await guards.get(Number(request.params.id));
      return reply.header("etag", tagOf(guard)).send(guardView(guard, formOf(request.query.values)));
    },
  );

  http.put(
    path,
    {
      config: routeConfig("change", "datapointguard", "id"),
      schema: {
        summary: "Set the guard rails of an actuator",
        description:
          "Replaces them whole; what is left out is off. Whatever breaks one of them is refused with a `guard-rail` " +
          "problem before anything reaches MQTT. Limits hold for the values in setpoints and schedules, too; rate, " +
          "feedback and expiry for values only.",
        params: idParams,
        querystring: formOnlyQuery,
        body: guardInput,
        response: { 200: guardObject, 201: guardObject },
      },
    },
    async (request, reply) => {
      const form = formOf(request.query.values);
      const check = (current: Guard | undefined): void =>
        checkPreconditions(request, current && guardView(current, "native"));
      const id = Number(request.params.id);
      const { guard, created } = await guards.put(id, request.body, form, actorOf(request), check);
      return reply
        .code(created ? 201 : 200)
        .header("etag", tagOf(guard))
        .send(guardView(guard, form));
    },
  );

  http.delete(
    path,
    {
      config: routeConfig("delete", "datapointguard", "id"),
      schema: {
        summary: "Remove the guard rails of an actuator",
        params: idParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const check = (current: Guard): void => checkPreconditions(request, guardView(current, "native"));
      await guards.remove(Number(request.params.id), actorOf(request), check);
      return reply.code(204).send(null);
    },
  );
}
