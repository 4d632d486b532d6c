import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import type { HttpConfig } from "../config/config.ts";
import type { Identity } from "../identity/identity.ts";
import type { Health } from "../observe/health.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time.ts";
import { defaultBodyLimit, installBodies } from "./bodies.ts";
import type { Certificate } from "./certificate.ts";
import { answerBrokenRequest } from "./client-errors.ts";
import { compressAnswer } from "./compress.ts";
import { createGate } from "./gate.ts";
import { HostCheck } from "./hosts.ts";
import type { Http } from "./http.ts";
import { installIdempotency } from "./idempotency.ts";
import { type BoundAddresses, Listeners, serverOptionsFor } from "./listeners.ts";
import { installOpenApi } from "./openapi.ts";
import { Paths, routerOptions } from "./paths.ts";
import { sendProblem, toProblem } from "./problems.ts";
import { trustOf } from "./proxies.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { publicAccess } from "./surface.ts";
import { isDocsPath } from "./system-paths.ts";
import { installSystemRoutes } from "./system-routes.ts";
import { Upgrades } from "./upgrades.ts";
import { buildValidator } from "./validation.ts";

/** How long running requests may take to end at a stop. */
const defaultDrainMillis = 10_000;

/** Pages bring nothing from elsewhere, and nobody frames them; a route may set its own. */
const pagePolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
  "base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

export interface HttpOptions {
  readonly config: HttpConfig;
  readonly log: Log;
  readonly identity: Pick<Identity, "authenticate">;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly version: string;
  /** Where the self-signed certificate is kept; without it one is made at each start. */
  readonly dataDir?: string;
  /** How long running requests may take to end at a stop; default 10 s. */
  readonly drainMillis?: number;
}

export interface HttpServer {
  /** Routes are registered on it before `listen` (or `inject`); each states `config.access`. */
  readonly app: Http;
  /** @throws OperatorError when the HTTP or HTTPS port cannot be had */
  listen(): Promise<BoundAddresses>;
  /** Puts another certificate into the running HTTPS server. */
  reloadCertificate(certificate: Certificate): void;
  /** Stops accepting, lets running requests end within 10 s, then runs the `onClose` hooks. */
  close(): Promise<void>;
}

/** The HTTP layer with its own routes; features add theirs. Nothing listens yet. */
export async function createHttp(options: HttpOptions): Promise<HttpServer> {
  const { config, log } = options;
  const paths = new Paths();
  const trust = trustOf(config.trustedProxies);
  const upgrades = new Upgrades();
  const app = createApp(log, trust, upgrades);
  const listeners = new Listeners({
    config,
    log,
    main: app.server,
    handler: app.routing,
    upgrades,
    dataDir: options.dataDir,
  });
  app.addHook("onRoute", (route) => {
    if (isDocsPath(route.url)) route.config = { ...route.config, access: publicAccess };
    if (route.config?.access === undefined) {
      throw new Error(`The route ${String(route.method)} ${route.url} does not state config.access.`);
    }
    paths.add(route);
    if (route.config.webSocket) upgrades.add(route.url);
  });
  app.decorateRequest("principal", undefined);
  app.decorateRequest("unmatchedSurface", undefined);
  const hosts = new HostCheck(config.allowedHosts);
  app.addHook("onRequest", createGate({ config, identity: options.identity, hosts, trust, paths }));
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request, reply) => sendProblem(toProblem({ statusCode: 404 }), request, reply));
  await installBodies(app);
  installIdempotency(app, options.clock);
  app.addHook("onSend", guardPages);
  app.addHook("onSend", compressAnswer);
  observeRequests(app, options);
  await installOpenApi(app, options.version);
  installSystemRoutes(app, options);
  app.addHook("preClose", () => listeners.close(options.drainMillis ?? defaultDrainMillis));
  return {
    app,
    listen: async () => {
      await app.ready();
      return listeners.listen();
    },
    reloadCertificate: (certificate) => listeners.reloadCertificate(certificate),
    close: () => app.close(),
  };
}

/**
 * Answers are written by JSON.stringify: Fastify's own serializer would drop members the schema does not name
 * and coerce values silently. The casts: its types ask for the pool's classes, any function of this shape
 * will do.
 */
const compilersFactory = {
  buildValidator: buildValidator as never,
  buildSerializer: () => () => (value: unknown) => JSON.stringify(value),
};

function createApp(log: Log, trust: (address: string | undefined) => boolean, upgrades: Upgrades): Http {
  return Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: createRequestIds(),
    bodyLimit: defaultBodyLimit,
    trustProxy: (address) => trust(address),
    return503OnClosing: false,
    routerOptions,
    rewriteUrl: (request) => originForm(request.url ?? "/"),
    schemaController: { compilersFactory },
    frameworkErrors: (error, request, reply) => {
      reply.header("x-request-id", request.id).header("x-content-type-options", "nosniff");
      void sendProblem(error, request as never, reply as never);
    },
    clientErrorHandler: answerBrokenRequest,
    serverFactory: (handler) => createServer(serverOptionsFor(upgrades), handler),
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as Http;
}

/** A target in absolute form (RFC 9112, 3.2.2) without scheme and host, which the Host header repeats. */
const originForm = (target: string): string =>
  target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/^(?!\/)/, "/");

const acceptableId = /^[\w.:+=@/-]{1,128}$/;

/**
 * The caller's X-Request-Id when it is harmless, else one of our own: a random start per process, then
 * counted.
 */
function createRequestIds(): (request: IncomingMessage) => string {
  const start = randomBytes(6).toString("hex");
  let count = 0;
  return (request) => {
    const given = request.headers["x-request-id"];
    if (typeof given === "string" && acceptableId.test(given)) return given;
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}

function guardPages(_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: SendDone): void {
  const type = reply.getHeader("content-type");
  if (typeof type === "string" && type.startsWith("text/html") && !reply.hasHeader(policyHeader)) {
    reply.header(policyHeader, pagePolicy);
  }
  done(null, payload);
}

const policyHeader = "content-security-policy";

type SendDone = (error: Error | null, payload?: unknown) => void;

function observeRequests(app: Http, { metrics, log }: HttpOptions): void {
  const figures = new RequestMetrics(metrics);
  app.addHook("onResponse", (request, reply, done) => {
    figures.observe(request, reply);
    if (log.isLevelEnabled("debug")) logRequest(log, request, reply);
    done();
  });
}

function logRequest(log: Log, request: FastifyRequest, reply: FastifyReply): void {
  // Without the query: it may carry tokens.
  const path = request.url.split("?")[0];
  const line = { reqId: request.id, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 };
  log.debug({ ...line, ip: request.ip, user: request.principal?.name }, `${request.method} ${path}`);
}
