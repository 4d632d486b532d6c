import type { FastifyRequest } from "fastify";
import { Problem } from "../errors.ts";
import { may, type Principal } from "../identity/principal.ts";
import type { Access, Surface } from "./surface.ts";

/**
 * Whether the caller may use the route.
 * @throws Problem `unauthenticated`, `forbidden`, or `not-found` for another's object, as the surface says
 */
export function enforce(
  access: Access,
  surface: Surface,
  principal: Principal | undefined,
  request: FastifyRequest,
): void {
  if (access.kind === "public") return;
  if (access.kind === "right" && access.loopback && isLocalCall(request)) return;
  if (!principal) throw anonymousProblem(surface);
  if (access.kind === "signed-in") return;
  if (access.kind === "superuser") {
    if (principal.isSuperuser) return;
    throw new Problem("forbidden", {
      detail: "You do not have permission to perform this action. Only a superuser may do this.",
    });
  }
  const object = access.object === undefined ? undefined : parameter(request, access.object);
  if (may(principal, access.action, access.resource, object)) return;
  if (object !== undefined && surface.foreign === 404 && hasSome(principal, access)) {
    throw new Problem("not-found", { detail: `There is no ${access.resource} ${object}.` });
  }
  throw new Problem("forbidden", {
    detail: `${principal.name} does not have the right ${access.action}_${access.resource}, which this needs.`,
  });
}

const anonymousProblem = (surface: Surface): Problem =>
  new Problem(surface.anonymous === 401 ? "unauthenticated" : "forbidden", {
    detail: "Authentication credentials were not provided.",
  });

/** Who has the right on some object learns no more about the others than that they are not there. */
const hasSome = (principal: Principal, access: Access & { readonly kind: "right" }): boolean =>
  principal.grants.some(
    (grant) =>
      (grant.action === access.action || (grant.action as string) === "*") &&
      (grant.resource === access.resource || grant.resource === "*"),
  );

function parameter(request: FastifyRequest, name: string): string | undefined {
  const value = (request.params as Readonly<Record<string, unknown>> | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}

const forwardedHeaders = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

/** A call from this machine itself, and not one that a proxy on this machine passes on. */
export function isLocalCall(request: FastifyRequest): boolean {
  const peer = request.raw.socket.remoteAddress ?? "";
  const loopback = peer === "::1" || peer.startsWith("127.") || peer.startsWith("::ffff:127.");
  return loopback && !forwardedHeaders.some((name) => request.headers[name] !== undefined);
}
