import type { FastifyRequest } from "fastify";
import type { Actor } from "./changes.ts";

/** Who made the request, for the records of what it changes. */
export function actorOf(request: FastifyRequest): Actor {
  const { principal } = request;
  return {
    principalId: principal?.id ?? null,
    name: principal?.name ?? "anonymous",
    via: principal?.via ?? "http",
    address: request.ip,
    requestId: request.id,
  };
}

/** The server itself (start, background work), or a command on its machine. */
export const serverActor = (name = "server"): Actor => ({
  principalId: null,
  name,
  via: "local",
  address: null,
  requestId: null,
});
