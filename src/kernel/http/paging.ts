import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { invalidField } from "../errors.ts";

/**
 * Members of a querystring schema for opt-in keyset paging: without `limit` and `cursor` a list stays whole.
 */
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: "At most so many items." })),
  cursor: Type.Optional(
    Type.String({ maxLength: 1000, description: "From the Link header of the page before." }),
  ),
};

/** The sort keys of the last item of a page; the next page begins behind it. */
export type CursorKeys = readonly (string | number)[];

/** Opaque to callers; holds the keys only, so that it stays valid whatever is inserted or removed. */
export const encodeCursor = (keys: CursorKeys): string =>
  Buffer.from(JSON.stringify(keys)).toString("base64url");

/**
 * @param kinds what each key must be, such as `["number"]`
 * @throws Problem `invalid-request` for a cursor this list never gave
 */
export function decodeCursor(cursor: string, kinds: readonly ("string" | "number")[]): CursorKeys {
  const keys = parse(cursor);
  const fits =
    Array.isArray(keys) &&
    keys.length === kinds.length &&
    kinds.every((kind, at) => typeof keys[at] === kind && isStorable(keys[at]));
  if (!fits)
    throw invalidField("cursor", `${JSON.stringify(cursor.slice(0, 60))} is not a cursor of this list.`);
  return keys as CursorKeys;
}

/** Numbers in a cursor come from integer columns; no other fits one. */
const isStorable = (key: unknown): boolean => typeof key !== "number" || Number.isSafeInteger(key);

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
}

/** Adds `Link: <…>; rel="next"`: this request's URL with the cursor behind `keys`. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, keys: CursorKeys): void {
  const [path = "/", query = ""] = request.url.split("?");
  const parameters = new URLSearchParams(query);
  parameters.set("cursor", encodeCursor(keys));
  const link = `<${path}?${parameters}>; rel="next"`;
  const present = reply.getHeader("link");
  reply.header("link", present === undefined ? link : `${String(present)}, ${link}`);
}

/** Cuts a list read with `limit + 1` rows to the page and links the next one when there is more. */
export function page<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  rows: readonly T[],
  limit: number,
  keysOf: (row: T) => CursorKeys,
): readonly T[] {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  if (rows.length > limit && last !== undefined) linkNext(request, reply, keysOf(last));
  return shown;
}
