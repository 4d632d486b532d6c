import fc from "fast-check";
import { expect, test } from "vitest";
import { cookieIn, setCookie } from "./cookie.ts";
import { credentialIn } from "./credentials.ts";

test("a name and a password come out of Basic as they went in", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (given, secret) => {
      const name = given.replaceAll(":", "");
      const encoded = Buffer.from(`${name}:${secret}`).toString("base64");
      if (encoded.length < 2) return;
      for (const scheme of ["Basic", "basic", "BASIC"]) {
        const found = credentialIn({ authorization: `${scheme}  ${encoded} ` });
        expect(found).toEqual({ kind: "basic", name, secret });
      }
    }),
  );
});

test("no header makes it throw", () => {
  const scheme = fc.constantFrom("Basic ", "Bearer ", "Token ", "Digest ", "");
  fc.assert(
    fc.property(scheme, fc.string({ unit: "binary" }), fc.string(), (prefix, rest, cookie) => {
      const found = credentialIn({ authorization: prefix + rest, cookie, "x-api-key": "" });
      expect([undefined, "basic", "token", "session", "malformed"]).toContain(found?.kind);
    }),
  );
});

test("explicit credentials come before the cookie, Authorization before the key", () => {
  const id = "a".repeat(43);
  const cookie = `other=1; busbar_session=${id}; more=2`;
  expect(credentialIn({ cookie })).toEqual({ kind: "session", id });
  expect(credentialIn({ cookie, "x-api-key": " k " })).toEqual({ kind: "token", token: "k" });
  expect(credentialIn({ cookie, "x-api-key": "k", authorization: "Token t" })).toEqual({
    kind: "token",
    token: "t",
  });
  expect(credentialIn({ cookie, authorization: "Negotiate x" })).toEqual({ kind: "session", id });
});

test("a cookie is read as it was set, and anything else is none", () => {
  const id = "Az0_-".padEnd(43, "x");
  expect(cookieIn(setCookie(id, true, 60))).toBe(id);
  for (const header of [
    undefined,
    "",
    "busbar_session=",
    "busbar_session=short",
    "xbusbar_session=1",
    "=;;=",
  ])
    expect(cookieIn(header)).toBeUndefined();
});
