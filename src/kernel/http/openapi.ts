import { writeFile } from "node:fs/promises";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifySchema, RouteOptions } from "fastify";
import { Problem, type ProblemCode, problemTypes } from "../errors.ts";
import { docsPage } from "./docs-page.ts";
import type { Http } from "./http.ts";
import type { Access } from "./surface.ts";
import { isDocsPath } from "./system-paths.ts";

const text = { type: "string" } as const;

/** Texts, or for what holds objects, or a list of them, the texts by their fields. */
const fieldFault = { type: ["array", "object"], items: { type: ["string", "object"] } } as const;

/** The body of every error answer. */
const problemSchema = {
  type: "object",
  required: ["type", "title", "status", "detail", "requestId"],
  properties: {
    type: { ...text, description: "Path at which this kind of problem is explained." },
    title: text,
    status: { type: "integer" },
    detail: text,
    message: { ...text, description: "Same as detail, on surfaces whose clients read it." },
    errors: {
      type: "array",
      items: { type: "object", required: ["pointer", "detail"], properties: { pointer: text, detail: text } },
    },
    fields: {
      type: "object",
      additionalProperties: fieldFault,
      description: "Texts by field; for a field that holds objects the same by their fields.",
    },
    items: {
      type: "array",
      items: { type: "object", additionalProperties: fieldFault },
      description: "For array bodies: one entry per item sent, {} for a good one.",
    },
    requestId: text,
  },
};

const securitySchemes = {
  basic: { type: "http", scheme: "basic" },
  bearer: { type: "http", scheme: "bearer", description: "A token; the keyword Token does as well." },
  apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
} as const;

const anyCredential = Object.keys(securitySchemes).map((name) => ({ [name]: [] }));

/**
 * Collects the OpenAPI document from the routes and serves the interactive page. Call before any other route.
 */
export async function installOpenApi(app: Http, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Busbar",
        version,
        description: "Measured, controlled, certified and computed: one server.",
      },
      tags: [...tags],
      components: { securitySchemes, schemas: { Problem: problemSchema as never } },
    },
    transform: ({ schema, url, route }) => ({ schema: documented(schema, route), url }),
  });
  await app.register(swaggerUi, docsPage);
}

/** The groups of the document, in the order a reader meets them; those of other surfaces follow by their name. */
const tags = [
  { name: "Datapoints", description: "What devices measure and what is sent to them." },
  {
    name: "Connectors",
    description: "The programs that speak with devices, and what they tell about themselves.",
  },
  { name: "Streams", description: "The numbers over time of every feature: catalogue, charts, exports." },
  { name: "Live", description: "What comes in, pushed as it comes." },
  { name: "Accounts", description: "Users, groups, rights, tokens, sessions, and the log of all changes." },
  { name: "System", description: "Health, figures, version and this document." },
] as const;

const accountPaths = /^\/(users|groups|permissions|tokens|session|changes|setup)\b/;

/** A route that names no tag goes where its surface belongs. */
function tagOf({ config, url }: RouteOptions): string {
  const surface = config?.surface ?? "kernel";
  if (surface === "kernel") return accountPaths.test(url) ? "Accounts" : "System";
  if (url.includes("/connector/")) return "Connectors";
  return `${surface.charAt(0).toUpperCase()}${surface.slice(1)}`;
}

type Documented = FastifySchema & Readonly<Record<string, unknown>>;

/**
 * Adds what follows from the route's configuration: security, tag, the needed right and the error answers.
 */
function documented(schema: FastifySchema | undefined, route: RouteOptions): Documented {
  const given: Documented = { ...schema };
  const access = route.config?.access;
  if (isDocsPath(route.url)) return { ...given, hide: true };
  const description = [given["description"], accessText(access)].filter(Boolean).join("\n\n");
  return {
    ...given,
    tags: given["tags"] ?? [tagOf(route)],
    ...(description === "" ? {} : { description }),
    ...(access && access.kind !== "public" ? { security: anyCredential } : {}),
    response: {
      ...described(given.response as Responses | undefined),
      default: {
        description: `Problem (RFC 9457): ${problemsOf(given, access).map(problemText).join(", ")}.`,
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

type Responses = Readonly<Record<string, object>>;

const statusTexts: Readonly<Record<string, string>> = {
  200: "Done",
  201: "Created",
  204: "Done; there is nothing to show",
};

function described(responses: Responses = { 200: {} }): Responses {
  const texts = Object.entries(responses).map(([status, schema]) => {
    const description = statusTexts[status] ?? "Answer";
    return [status, { description, ...schema }] as const;
  });
  return Object.fromEntries(texts);
}

/** The kinds of problems that follow from what a request consists of; others are in docs/errors.md. */
function problemsOf({ body, params, querystring }: Documented, access: Access | undefined): ProblemCode[] {
  const signedIn = access !== undefined && access.kind !== "public";
  return [
    ...(body || params || querystring ? (["invalid-request"] as const) : []),
    ...(body ? (["invalid-json"] as const) : []),
    ...(signedIn ? (["unauthenticated"] as const) : []),
    ...(signedIn && access.kind !== "signed-in" ? (["forbidden"] as const) : []),
    ...(params ? (["not-found"] as const) : []),
    ...(body ? (["too-large", "unsupported-media-type"] as const) : []),
    "too-many-requests",
    "internal",
    "store-unavailable",
  ];
}

const problemText = (code: ProblemCode): string => `${problemTypes[code].status} ${code}`;

function accessText(access: Access | undefined): string | undefined {
  switch (access?.kind) {
    case "right":
      return `Needs the right \`${access.action}_${access.resource}\`.`;
    case "signed-in":
      return "Needs credentials of any user.";
    case "superuser":
      return "Needs a superuser.";
    case "public":
    case undefined:
      return undefined;
  }
}

/**
 * The document as it is committed in docs/openapi.json: two spaces, final newline. Call after all routes are
 * registered.
 */
export async function openApiText(app: Http): Promise<string> {
  await app.ready();
  return `${JSON.stringify(app.swagger(), null, 2)}\n`;
}

/** Writes the document to a file, for comparison with the committed one. */
export async function writeOpenApi(app: Http, path: string): Promise<void> {
  await writeFile(path, await openApiText(app));
}

/** @throws Problem `not-acceptable` for a format other than json or yaml */
export function schemaFormat(accept: string | undefined, format: string | undefined): "json" | "yaml" {
  if (format === "json" || format === "openapi-json") return "json";
  if (format === "yaml" || format === "openapi") return "yaml";
  if (format !== undefined) {
    throw new Problem("not-acceptable", { detail: `format: "${format}" is neither json nor yaml.` });
  }
  return accept?.includes("json") && !accept.includes("yaml") ? "json" : "yaml";
}
