import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import { cookieIn } from "./cookie.ts";

/** What a request brings to prove who sends it. */
export type Credential =
  | { readonly kind: "basic"; readonly name: string; readonly secret: string }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "session"; readonly id: string }
  /** An Authorization header of a known scheme that cannot be read. */
  | { readonly kind: "malformed" };

/** Explicit ones beat the cookie, which a browser sends unasked. Undefined: none, or of a scheme unknown here. */
export function credentialIn(headers: IncomingHttpHeaders): Credential | undefined {
  return fromAuthorization(headers.authorization) ?? fromApiKey(headers["x-api-key"]) ?? fromCookie(headers);
}

function fromAuthorization(header: string | undefined): Credential | undefined {
  const [, scheme = "", rest = ""] = /^\s*([\w-]+)(?:\s+(.*?))?\s*$/s.exec(header ?? "") ?? [];
  switch (scheme.toLowerCase()) {
    case "basic":
      return basic(rest);
    case "bearer":
    case "token":
      return /^[\x21-\x7e]{1,1000}$/.test(rest) ? { kind: "token", token: rest } : { kind: "malformed" };
    default:
      return undefined;
  }
}

function basic(encoded: string): Credential {
  if (!/^[\w+/-]{2,8000}={0,2}$/.test(encoded)) return { kind: "malformed" };
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const at = text.indexOf(":");
  if (at < 0) return { kind: "malformed" };
  return { kind: "basic", name: text.slice(0, at), secret: text.slice(at + 1) };
}

function fromApiKey(header: string | string[] | undefined): Credential | undefined {
  if (typeof header !== "string" || header.trim() === "") return undefined;
  return { kind: "token", token: header.trim() };
}

function fromCookie(headers: IncomingHttpHeaders): Credential | undefined {
  const id = cookieIn(headers.cookie);
  return id === undefined ? undefined : { kind: "session", id };
}
