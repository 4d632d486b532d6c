import type { FastifyReply, FastifyRequest } from "fastify";
import { asProblem } from "../database/faults.ts";
import { Problem, type ProblemCode, problemTypes } from "../errors.ts";
import { surfaces } from "./surface.ts";

/** What Fastify and its plug-ins throw at a client's fault, by their code. */
const frameworkCodes: Readonly<Record<string, { readonly code: ProblemCode; readonly detail?: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: "too-large", detail: "The body is larger than this path takes." },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: "unsupported-media-type" },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "invalid-request",
    detail: "The body is not as long as Content-Length says.",
  },
  FST_ERR_BAD_URL: { code: "invalid-request", detail: "The path holds a broken percent escape." },
  FST_ERR_MAX_PARAM_LENGTH: { code: "invalid-request", detail: "A part of the path is too long." },
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: { code: "unsupported-media-type" },
  FST_PARTS_LIMIT: { code: "too-large", detail: "The form has too many parts." },
  FST_FILES_LIMIT: { code: "too-large", detail: "The form has too many files." },
  FST_FIELDS_LIMIT: { code: "too-large", detail: "The form has too many fields." },
  FST_REQ_FILE_TOO_LARGE: { code: "too-large", detail: "A file of the form is too large." },
  FST_PROTO_VIOLATION: { code: "invalid-request", detail: "A field of the form has a forbidden name." },
  FST_MP_PREMATURE_CLOSE: { code: "invalid-request", detail: "The multipart body ends too early." },
  FST_INVALID_MULTIPART_CONTENT_TYPE: { code: "unsupported-media-type" },
  FST_INVALID_JSON_FIELD_ERROR: { code: "invalid-json", detail: "A part of the form is not valid JSON." },
};

const byStatus: Readonly<Record<number, ProblemCode>> = {
  401: "unauthenticated",
  403: "forbidden",
  404: "not-found",
  405: "method-not-allowed",
  406: "not-acceptable",
  409: "conflict",
  412: "precondition-failed",
  413: "too-large",
  415: "unsupported-media-type",
  429: "too-many-requests",
};

/** The multipart parser throws plain errors, known by their text only. */
const brokenMultipart = /unexpected end of multipart data|^Multipart: Boundary not found|^The needle cannot/i;
/** Codes of zlib and its relatives. */
const brokenPacking = /^(?:Z_|ERR__|ERR_BROTLI|ZSTD_)/;

/** The media types any route takes; a feature's own parsers come on top. */
export const knownMediaTypes: readonly string[] = [
  "application/json",
  "application/x-www-form-urlencoded",
  "multipart/form-data",
];

/** Turns anything thrown into a problem; what nobody foresaw becomes `internal`. */
export function toProblem(thrown: unknown): Problem {
  const error = asProblem(thrown);
  if (error instanceof Problem) return error;
  if (typeof error !== "object" || error === null) return internal(error);
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  const known = typeof code === "string" ? frameworkCodes[code] : undefined;
  if (known?.code === "unsupported-media-type") return unsupportedMediaType(error);
  if (known)
    return new Problem(known.code, { ...(known.detail ? { detail: known.detail } : {}), cause: error });
  if (typeof message === "string" && brokenMultipart.test(message)) {
    return new Problem("invalid-request", {
      detail: `The multipart body is broken: ${message}.`,
      cause: error,
    });
  }
  // The status is Fastify's mark of an error while reading the body; our own use of zlib has none.
  if (statusCode === 400 && typeof code === "string" && brokenPacking.test(code)) {
    return new Problem("invalid-request", {
      detail: `The body cannot be unpacked: ${message}.`,
      cause: error,
    });
  }
  if (typeof statusCode !== "number" || statusCode < 400 || statusCode > 499) return internal(error);
  const detail = typeof message === "string" && message !== "" ? { detail: message } : {};
  return new Problem(byStatus[statusCode] ?? "invalid-request", { ...detail, cause: error });
}

const internal = (cause: unknown): Problem =>
  new Problem("internal", {
    detail: "The server failed at this request. Its log has the reason under the request id.",
    cause,
  });

export const unsupportedMediaType = (cause?: unknown): Problem =>
  new Problem("unsupported-media-type", {
    detail: `Send the body as one of ${knownMediaTypes.join(", ")}, and name it in Content-Type.`,
    cause,
  });

/** Path at which the text about a problem type is served. */
export const problemPath = (code: ProblemCode): string => `/problems/${code}`;

/** The RFC 9457 body as JSON text. */
export function problemBody(problem: Problem, requestId: string, withMessage: boolean): string {
  return JSON.stringify({
    type: problemPath(problem.code),
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    ...(withMessage ? { message: problem.message } : {}),
    ...(problem.errors ? { errors: problem.errors } : {}),
    ...(problem.fields ? { fields: problem.fields } : {}),
    ...(problem.items ? { items: problem.items } : {}),
    requestId,
  });
}

/** A browser page (it sends Sec-Fetch-Mode) must not get the browser's own password box. */
const basicChallenge = 'Basic realm="api"';

/** Sends the problem, logging what is the server's fault. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error);
  if (problem.code === "internal") request.log.error({ err: error }, "request failed");
  else if (problem.status >= 500) request.log.warn({ err: problem }, problem.message);
  const surface = surfaces[request.routeOptions.config?.surface ?? request.unmatchedSurface ?? "kernel"];
  // Compression, caching and entity headers of the answer that was to be do not fit this one.
  for (const name of ["content-encoding", "content-length", "etag", "last-modified", "content-disposition"]) {
    reply.removeHeader(name);
  }
  reply.header("cache-control", "no-store");
  for (const [name, value] of Object.entries(problem.headers)) reply.header(name, value);
  if (problem.status === 401 && request.headers["sec-fetch-mode"] === undefined) {
    reply.header("www-authenticate", basicChallenge);
  }
  return reply
    .code(problem.status)
    .header("content-type", "application/problem+json; charset=utf-8")
    .send(problemBody(problem, request.id, surface.message));
}

/** Every problem code, for documents and tests. */
export const problemCodes = Object.keys(problemTypes) as readonly ProblemCode[];
