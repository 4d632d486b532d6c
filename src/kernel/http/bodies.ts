import formbody from "@fastify/formbody";
import multipart from "@fastify/multipart";
import type { FastifyRequest, HookHandlerDoneFunction } from "fastify";
import { invalidField, Problem } from "../errors.ts";
import { decodeBody } from "./decode.ts";
import type { Http } from "./http.ts";
import { parseJsonBody } from "./json-body.ts";

/** A route may raise it by its own `bodyLimit`. */
export const defaultBodyLimit = 1024 * 1024;

const jsonTypes = /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i;
const charset = /;\s*charset\s*=\s*"?([\w-]+)/i;

const formLimits = {
  fieldNameSize: 200,
  fieldSize: 1024 * 1024,
  fields: 1000,
  files: 100,
  parts: 1000,
  headerPairs: 100,
};

/**
 * Registers what reads request bodies: JSON, forms, and packed versions of them. Call once, before any route.
 */
export async function installBodies(app: Http): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(jsonTypes, { parseAs: "buffer" }, (request, bytes, done) => {
    try {
      done(null, readJson(request, bytes as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  await app.register(formbody);
  await app.register(multipart, { limits: formLimits, throwFileSizeLimit: true });
  app.addHook("preParsing", decodeBody);
  app.addHook("onRoute", (route) => {
    const writes = [route.method].flat().some((method) => method !== "GET" && method !== "HEAD");
    if (!writes || route.config?.multipart === "stream") return;
    route.preValidation = [formFields, ...[route.preValidation ?? []].flat()];
  });
}

function readJson(request: FastifyRequest, bytes: Buffer): unknown {
  // Many clients announce JSON on requests without a body (DELETE, POST of an action): only a route that
  // wants one minds.
  if (bytes.length === 0 && request.routeOptions.schema?.body === undefined) return undefined;
  const named = charset.exec(request.headers["content-type"] ?? "")?.[1];
  if (named !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(named)) {
    throw new Problem("unsupported-media-type", { detail: `JSON is read as UTF-8, not as ${named}.` });
  }
  return parseJsonBody(bytes);
}

/** A preValidation hook: a flat multipart message becomes an object of texts, like a urlencoded one. */
function formFields(request: FastifyRequest, _reply: unknown, done: HookHandlerDoneFunction): void {
  if (!request.isMultipart()) {
    done();
    return;
  }
  readFields(request)
    .then((fields) => {
      request.body = fields;
    })
    .then(() => done(), done);
}

/** Holds the route's body limit, which the multipart parser itself does not know. */
async function readFields(request: FastifyRequest): Promise<Readonly<Record<string, unknown>>> {
  const fields: Record<string, string | string[]> = Object.create(null);
  let left = request.routeOptions.bodyLimit ?? defaultBodyLimit;
  if (Number(request.headers["content-length"]) > left) throw tooLong();
  for await (const part of request.parts()) {
    if (part.type === "file") {
      part.file.resume();
      throw invalidField(part.fieldname, "A file is not expected here; send a text.");
    }
    const value = String(part.value);
    left -= value.length + part.fieldname.length;
    if (part.valueTruncated || part.fieldnameTruncated || left < 0) throw tooLong();
    const present = fields[part.fieldname];
    fields[part.fieldname] = present === undefined ? value : [present, value].flat();
  }
  return fields;
}

const tooLong = (): Problem =>
  new Problem("too-large", { detail: "The form is larger than this path takes." });
