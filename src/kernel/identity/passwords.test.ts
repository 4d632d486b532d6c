import { expect, test } from "vitest";
import { passwordFaults } from "./password-rules.ts";
import { Passwords } from "./passwords.ts";

test("a password fits its own hash only, which is a PHC text with a salt of its own", async () => {
  const passwords = new Passwords();
  const [one, two] = await Promise.all([
    passwords.hash("pässword of mine"),
    passwords.hash("pässword of mine"),
  ]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(one).not.toBe(two);
  expect(await passwords.verify("pässword of mine", one)).toBe(true);
  expect(await passwords.verify("password of mine", one)).toBe(false);
  expect(await passwords.verify("", one)).toBe(false);
});

test("a password fits however its letters are composed", async () => {
  const passwords = new Passwords();
  const phc = await passwords.hash("gr\u00fcner Wald");
  expect(await passwords.verify("gru\u0308ner Wald", phc)).toBe(true);
});

test("a hash made by another program is understood, one of another kind fits nothing", async () => {
  const passwords = new Passwords();
  // A vector of the reference implementation's own tests.
  const foreign = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  expect(await passwords.verify("password", foreign)).toBe(true);
  for (const broken of ["", "plain", "$2b$12$abc", "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$AAAA"]) {
    expect(await passwords.verify("password", broken)).toBe(false);
  }
});

test("nobody's password costs a hash and never fits", async () => {
  const passwords = new Passwords();
  expect(await passwords.verify("x", null)).toBe(false);
  expect(passwords.hashes).toBe(1);
});

test("more than a few hundred at once are put off rather than piled up", async () => {
  const passwords = new Passwords();
  const phc = await passwords.hash("right password");
  const results = await Promise.allSettled(
    Array.from({ length: 205 }, () => passwords.verify("wrong", phc.replace("m=19456,t=2", "m=8,t=1"))),
  );
  expect(results.filter((result) => result.status === "rejected").length).toBeGreaterThan(0);
  expect(await passwords.verify("right password", phc)).toBe(true);
});

test("weak passwords are refused, each with its reason", () => {
  const faults = (password: string, name = "annabelle") => passwordFaults(password, name).join(" ");
  expect(faults("correct horse")).toBe("");
  expect(faults("short12")).toContain("at least 8");
  expect(faults("x".repeat(1025))).toContain("at most");
  expect(faults("9081726354")).toContain("digits");
  expect(faults("PassWord1")).toContain("commonest");
  expect(faults("Annabelle1")).toContain("too similar");
  expect(faults("ellebanna")).toContain("too similar");
  expect(faults("annabelle and her old grey goose")).toBe("");
});
