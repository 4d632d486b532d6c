import { readFileSync } from "node:fs";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { stringify } from "yaml";
import { notFound, type ProblemCode } from "../errors.ts";
import type { Health, HealthReport } from "../observe/health.ts";
import type { Metrics } from "../observe/metrics.ts";
import { isBrowser } from "./gate.ts";
import type { Http } from "./http.ts";
import { schemaFormat } from "./openapi.ts";
import { problemCodes } from "./problems.ts";
import { type Access, publicAccess, right } from "./surface.ts";

export interface SystemOptions {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly version: string;
}

const open = { config: { access: publicAccess } } as const;
const described = (summary: string) => ({ ...open, schema: { summary } });

/** Health, metrics, version, the API document, the index and the texts of the problems. */
export function installSystemRoutes(app: Http, options: SystemOptions): void {
  installHealth(app, options.health);
  installMetrics(app, options.metrics);
  installDocuments(app, options.version);
  installProblems(app);
}

function installHealth(app: Http, health: Health): void {
  app.get("/livez", described("Whether the process answers"), () => ({ status: "ok" }));
  app.get("/readyz", described("Whether to send requests here"), async (_request, reply) => {
    const { status } = health.draining ? { status: "draining" } : await health.report();
    return reply.code(status === "ok" || status === "warn" ? 200 : 503).send({ status });
  });
  app.get(
    "/health",
    described("State of every part; details for signed-in callers"),
    async (request, reply) => {
      const report = await health.report();
      const shown = request.principal ? report : withoutDetails(report);
      return reply.code(report.status === "fail" ? 503 : 200).send(shown);
    },
  );
}

/** Details may name hosts and files. */
const withoutDetails = (report: HealthReport) => ({
  status: report.status,
  checks: Object.fromEntries(Object.entries(report.checks).map(([name, { status }]) => [name, { status }])),
});

const metricAccess: Access = { ...right("view", "metric"), loopback: true } as Access;

function installMetrics(app: Http, metrics: Metrics): void {
  const schema = { summary: "Figures in the Prometheus text format", response: { 200: Type.String() } };
  app.get("/metrics", { config: { access: metricAccess }, schema }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}

function installDocuments(app: Http, version: string): void {
  app.get("/version", described("Version of the server"), () => ({ name: "busbar", version }));
  app.get("/openapi.json", { ...open, schema: { hide: true } }, () => app.swagger());
  app.get(
    "/schema",
    { ...open, schema: { hide: true, querystring: Type.Object({ format: Type.Optional(Type.String()) }) } },
    (request, reply) => {
      const format = schemaFormat(request.headers.accept, request.query.format);
      if (format === "json")
        return reply.type("application/vnd.oai.openapi+json").send(JSON.stringify(app.swagger()));
      return reply.type("application/vnd.oai.openapi; charset=utf-8").send(stringify(app.swagger()));
    },
  );
  app.get("/redoc", { ...open, schema: { hide: true } }, (_request, reply) => reply.redirect("/docs"));
  const index = {
    name: "busbar",
    version,
    links: { docs: "/docs", openapi: "/openapi.json", health: "/health", metrics: "/metrics" },
  };
  app.get(
    "/",
    described("Name, version and where to go on"),
    (request: FastifyRequest, reply: FastifyReply) =>
      isBrowser(request) ? reply.redirect("/docs") : reply.send(index),
  );
}

function installProblems(app: Http): void {
  const sections = problemSections(readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8"));
  app.get(
    "/problems/:code",
    {
      ...open,
      schema: { summary: "What a kind of problem means", params: Type.Object({ code: Type.String() }) },
    },
    (request, reply) => {
      const section = sections.get(request.params.code as ProblemCode);
      if (section === undefined)
        throw notFound("problem type", JSON.stringify(request.params.code.slice(0, 60)));
      return reply.type("text/markdown; charset=utf-8").header("cache-control", "max-age=3600").send(section);
    },
  );
  app.get("/problems", described("The kinds of problems"), () =>
    problemCodes.map((code) => `/problems/${code}`),
  );
}

/** The sections of docs/errors.md by the code in their heading (`## not-found (404)`). */
export function problemSections(markdown: string): ReadonlyMap<ProblemCode, string> {
  const sections = markdown.split(/^(?=## )/m).slice(1);
  return new Map(
    sections.map((section) => [/^## ([\w-]+)/.exec(section)?.[1] as ProblemCode, `${section.trim()}\n`]),
  );
}
