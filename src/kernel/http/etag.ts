import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../errors.ts";

/** A strong entity tag of a JSON value: the same text, the same tag. */
export const etagOf = (value: unknown): string => tagOfText(JSON.stringify(value));

const tagOfText = (text: string): string =>
  `"${createHash("sha256").update(text).digest("base64url").slice(0, 27)}"`;

/**
 * The value as the answer, with its ETag; 304 without a body when the caller's `If-None-Match` names it
 * already.
 */
export function sendWithEtag(request: FastifyRequest, reply: FastifyReply, value: unknown): FastifyReply {
  const text = JSON.stringify(value);
  const tag = tagOfText(text);
  reply.header("etag", tag).header("cache-control", "no-cache");
  const known = request.headers["if-none-match"];
  if (known !== undefined && lists(known, tag)) return reply.code(304).send();
  return reply.type("application/json; charset=utf-8").send(text);
}

/**
 * For a write: checks `If-Match` and `If-None-Match: *` against the object as it is now; call it inside the
 * write transaction. `current` is undefined when the object does not exist.
 * @throws Problem `precondition-failed`
 */
export function checkPreconditions(request: FastifyRequest, current: unknown): void {
  const expected = request.headers["if-match"];
  const absent = request.headers["if-none-match"];
  const tag = current === undefined ? undefined : etagOf(current);
  if (expected !== undefined && (tag === undefined || !lists(expected, tag))) {
    throw new Problem("precondition-failed", {
      detail: `If-Match: the object is now ${tag ?? "gone"}. Read it again before changing it.`,
      headers: tag === undefined ? {} : { etag: tag },
    });
  }
  if (absent !== undefined && tag !== undefined && lists(absent, tag)) {
    throw new Problem("precondition-failed", { detail: "If-None-Match: the object exists already." });
  }
}

/**
 * Proxies that compress mark the tag as weak (`W/`): the JSON text behind it is the same, so that it counts.
 */
const lists = (header: string, tag: string): boolean =>
  header.split(",").some((entry) => entry.trim() === "*" || entry.trim().replace(/^W\//, "") === tag);
