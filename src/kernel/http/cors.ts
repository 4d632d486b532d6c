import type { FastifyReply, FastifyRequest } from "fastify";
import type { Surface } from "./surface.ts";

/** A day: the browser asks once, not before each request. */
const preflightSeconds = 86_400;
/** What a page's script may read besides the few headers that are always open. */
const exposed =
  "Busbar-Command, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
const headerNames = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;

/** Adds the CORS headers the surface gives to this origin; nothing for a request without `Origin`. */
export function addCorsHeaders(
  request: FastifyRequest,
  reply: FastifyReply,
  surface: Surface,
  origins: readonly string[],
): void {
  const origin = request.headers.origin;
  if (origin === undefined) return;
  const method = requestedMethod(request);
  const allowed = allowedOrigin(origin, method, surface, origins);
  if (surface.cors === "configured") addVary(reply, "Origin");
  if (allowed === undefined) return;
  reply.header("access-control-allow-origin", allowed);
  reply.header("access-control-expose-headers", exposed);
  // Never together with `*`: a foreign page must not act with the user's cookie.
  if (allowed !== "*") reply.header("access-control-allow-credentials", "true");
}

/** Adds the answer to a preflight request. `allow`: the methods of the path. */
export function addPreflightHeaders(request: FastifyRequest, reply: FastifyReply, allow: string): void {
  if (request.headers["access-control-request-method"] === undefined) return;
  if (reply.getHeader("access-control-allow-origin") === undefined) return;
  const asked = request.headers["access-control-request-headers"];
  reply.header("access-control-allow-methods", allow);
  reply.header("access-control-max-age", String(preflightSeconds));
  if (asked !== undefined && headerNames.test(asked)) reply.header("access-control-allow-headers", asked);
  addVary(reply, "Access-Control-Request-Headers");
}

const requestedMethod = (request: FastifyRequest): string =>
  request.method === "OPTIONS"
    ? (request.headers["access-control-request-method"] ?? "OPTIONS")
    : request.method;

function allowedOrigin(
  origin: string,
  method: string,
  surface: Surface,
  origins: readonly string[],
): string | undefined {
  if (origins.includes(origin)) return surface.cors === "any" ? "*" : origin;
  if (surface.cors === "any") return "*";
  if (surface.cors === "any-get") return method === "GET" || method === "HEAD" ? "*" : undefined;
  return origins.includes("*") ? "*" : undefined;
}

/** Adds a name to `Vary`, keeping those that are there. */
export function addVary(reply: FastifyReply, name: string): void {
  const present = reply.getHeader("vary");
  reply.header("vary", present === undefined ? name : `${String(present)}, ${name}`);
}
