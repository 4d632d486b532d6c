import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import type { HttpConfig } from "../config/config.ts";
import { Problem } from "../errors.ts";
import type { Identity } from "../identity/identity.ts";
import { enforce } from "./access.ts";
import { addCorsHeaders, addPreflightHeaders } from "./cors.ts";
import { type HostCheck, hostNameOf } from "./hosts.ts";
import type { KnownPath, Paths } from "./paths.ts";
import { type Trust, translateForwarded } from "./proxies.ts";
import { type SurfaceName, surfaces } from "./surface.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Where the path is known but the method has no route: the surface of the path. */
    unmatchedSurface: SurfaceName | undefined;
  }
}

export interface GateOptions {
  readonly config: HttpConfig;
  readonly identity: Pick<Identity, "authenticate">;
  readonly hosts: HostCheck;
  readonly trust: Trust;
  readonly paths: Paths;
}

/** Answered to whatever name the prober uses: orchestrators probe by address or by a name of their own. */
const healthPaths: ReadonlySet<string> = new Set(["/health", "/livez", "/readyz"]);

/**
 * The first thing every request passes, before its body is read: headers every answer carries, Host, HTTPS
 * redirect, CORS, credentials, right, and only then whether the path has such a method.
 */
export function createGate(options: GateOptions) {
  const { config, hosts, trust, identity } = options;
  return function gate(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    try {
      translateForwarded(request.raw, trust);
      addStandardHeaders(request, reply, config);
      if (!healthPaths.has(request.routeOptions.url ?? "")) {
        hosts.check(request.host);
        if (config.redirectHttps && redirectToHttps(request, reply, config)) return;
      }
      const path = request.is404 ? options.paths.find(request.url) : undefined;
      request.unmatchedSurface = path?.surface;
      addCorsHeaders(request, reply, surfaceOf(request), config.corsOrigins);
      if (request.is404 && !admitUnmatched(request, reply, path)) return;
      identity
        .authenticate(request)
        .then((principal) => principal ?? request.routeOptions.config.authenticate?.(request))
        .then((principal) => {
          request.principal = principal;
          admit(request, path);
        })
        .then(() => done(), done);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  };
}

const surfaceOf = (request: FastifyRequest) =>
  surfaces[request.routeOptions.config.surface ?? request.unmatchedSurface ?? "kernel"];

function addStandardHeaders(request: FastifyRequest, reply: FastifyReply, config: HttpConfig): void {
  reply
    .header("x-request-id", request.id)
    .header("x-content-type-options", "nosniff")
    .header("x-frame-options", "DENY")
    .header("referrer-policy", "same-origin")
    .header("cache-control", "no-store");
  if (config.redirectHttps && request.protocol === "https") {
    reply.header("strict-transport-security", "max-age=31536000");
  }
}

/**
 * Only for people: a device or script must not be led elsewhere, many drop the body or the credentials on the
 * way. Behind a proxy the proxy has the certificate, on the usual port; else it is this server's own HTTPS
 * port.
 */
function redirectToHttps(request: FastifyRequest, reply: FastifyReply, config: HttpConfig): boolean {
  if (request.protocol !== "http" || !isBrowser(request)) return false;
  const name = hostNameOf(request.host);
  const proxied = request.headers["x-forwarded-proto"] !== undefined;
  if (name === undefined || (config.httpsPort === 0 && !proxied)) return false;
  const host = name.includes(":") ? `[${name}]` : name;
  const port = proxied || config.httpsPort === 443 ? "" : `:${config.httpsPort}`;
  reply.redirect(`https://${host}${port}${request.url}`, 308);
  return true;
}

/** A request whose Accept names text/html. */
export const isBrowser = (request: FastifyRequest): boolean =>
  request.headers.accept?.includes("text/html") ?? false;

/** Answers unknown paths and OPTIONS at once; true when the caller must be known before anything is said. */
function admitUnmatched(request: FastifyRequest, reply: FastifyReply, path: KnownPath | undefined): boolean {
  if (!path) throw new Problem("not-found", { detail: `There is nothing at ${shown(request.url)}.` });
  if (request.method !== "OPTIONS") return true;
  addPreflightHeaders(request, reply, path.allow);
  reply.code(204).header("allow", path.allow).send();
  return false;
}

function admit(request: FastifyRequest, path: KnownPath | undefined): void {
  const surface = surfaceOf(request);
  if (!request.is404) {
    const access = request.routeOptions.config.access;
    if (access) enforce(access, surface, request.principal, request);
    return;
  }
  if (!path) return;
  enforce(path.accessFor(request.method), surface, request.principal, request);
  throw new Problem("method-not-allowed", {
    detail: `Method "${request.method}" not allowed. ${shown(request.url)} has ${path.allow}.`,
    headers: { allow: path.allow },
  });
}

const shown = (url: string): string => {
  const path = url.split("?")[0] ?? "";
  return path.length > 200 ? `${path.slice(0, 200)}…` : path;
};
