import { expect, test } from "vitest";
import { describeEachEngine, type TestEngine } from "../../../test/engines.ts";
import { goodPassword, openSite, type Site } from "../../../test/identity.ts";
import { serverActor } from "../changes/actor.ts";
import { createUser } from "./accounts.ts";
import { tables } from "./tables.ts";

/** A site without any account. */
async function freshSite(engine: TestEngine): Promise<Site> {
  const site = await openSite(engine);
  await site.database.write((tx) => tables(tx).deleteFrom("principals").execute());
  return site;
}

const form = { "content-type": "application/x-www-form-urlencoded" };

const submit = (site: Site, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  site.call("POST", "/setup", {
    body: new URLSearchParams(fields).toString(),
    headers: { ...form, ...headers },
  });

const tokenIn = (link: string | undefined) => new URL(link ?? "").searchParams.get("token") ?? "";
const superusers = async (site: Site) =>
  (
    await tables(site.database.read)
      .selectFrom("principals")
      .select("name")
      .where("is_superuser", "=", 1)
      .execute()
  ).map(({ name }) => name);

describeEachEngine("set-up", (engine) => {
  test("the link leads to a form that makes the superuser, signs in and ends the link", async () => {
    await using site = await freshSite(engine);
    const link = await site.identity.setupLink("http://localhost:8080/");
    expect(link).toMatch(/^http:\/\/localhost:8080\/setup\?token=[\w-]{32}$/);
    const token = tokenIn(link);
    const page = await site.call("GET", `/setup/?token=${token}`);
    expect(page.statusCode).toBe(200);
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(page.body).not.toMatch(/<script|style=|<style/);
    expect(page.body).toContain(`value="${token}"`);
    expect((await site.call("GET", "/setup/style.css")).headers["content-type"]).toContain("text/css");

    const fields = { token, name: "ann", password: goodPassword, password2: goodPassword };
    const done = await submit(site, fields);
    expect([done.statusCode, done.headers.location]).toEqual([303, "/"]);
    const cookie = String(done.headers["set-cookie"]).split(";")[0] ?? "";
    const me = (await site.call("GET", "/session/", { headers: { cookie } })).json();
    expect([me.user.name, me.user.is_superuser]).toEqual(["ann", true]);
    expect((await submit(site, { ...fields, name: "ben" })).statusCode).toBe(404);
    expect((await site.call("GET", `/setup?token=${token}`)).statusCode).toBe(404);
    expect(await site.identity.setupLink("http://x")).toBeUndefined();
    expect(await superusers(site)).toEqual(["ann"]);
  });

  test("what is wrong with the input stands in the page, which keeps the name and escapes it", async () => {
    await using site = await freshSite(engine);
    const token = tokenIn(await site.identity.setupLink("http://x"));
    const tries: [Record<string, string>, string][] = [
      [{ password: goodPassword, password2: "other" }, "The two passwords differ."],
      [{ password: "short", password2: "short" }, "at least 8 characters"],
      [{ name: "", password: goodPassword, password2: goodPassword }, "1 to 150 characters"],
      [{ name: "a:b", password: goodPassword, password2: goodPassword }, "colon"],
    ];
    for (const [fields, text] of tries) {
      const answer = await submit(site, { token, name: `"><b>ann`, ...fields });
      expect([answer.statusCode, answer.body]).toEqual([400, expect.stringContaining(text)]);
      expect(answer.body).not.toContain("<b>");
      expect(answer.body).not.toContain(goodPassword);
    }
    await createUser(site.identity, { name: "taken" }, serverActor());
    const fields = { token, name: "taken", password: goodPassword, password2: goodPassword };
    const taken = await submit(site, fields);
    expect([taken.statusCode, taken.body]).toEqual([409, expect.stringContaining("There is a user named")]);
    expect(await superusers(site)).toEqual([]);
  });

  test("a wrong token, no token and another site's page make nobody", async () => {
    await using site = await freshSite(engine);
    const token = tokenIn(await site.identity.setupLink("http://x"));
    const fields = { name: "ann", password: goodPassword, password2: goodPassword };
    expect((await submit(site, { ...fields, token: `${token}x` })).statusCode).toBe(404);
    expect((await submit(site, fields)).statusCode).toBe(404);
    expect((await site.call("POST", "/setup")).statusCode).toBe(404);
    expect((await site.call("POST", "/setup", { body: [1] })).statusCode).toBe(404);
    const cross = await submit(site, { ...fields, token }, { "sec-fetch-site": "cross-site" });
    expect(cross.statusCode).toBe(403);
    expect(await superusers(site)).toEqual([]);
  });

  test("of many at once, on two nodes, one makes the superuser", async () => {
    await using site = await freshSite(engine);
    await using other = await openSite(engine, { on: site.database });
    const here = tokenIn(await site.identity.setupLink("http://x"));
    const there = tokenIn(await other.identity.setupLink("http://x"));
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => {
        const fields = { name: `user${index}`, password: goodPassword, password2: goodPassword };
        return index % 2
          ? submit(site, { ...fields, token: here })
          : submit(other, { ...fields, token: there });
      }),
    );
    expect(answers.map((answer) => answer.statusCode).toSorted()).toEqual([303, 404, 404, 404, 404, 404]);
    expect(await superusers(site)).toHaveLength(1);
  });

  test("a superuser that is made otherwise ends the link", async () => {
    await using site = await freshSite(engine);
    const token = tokenIn(await site.identity.setupLink("http://x"));
    const user = { name: "cli", password: goodPassword, superuser: true };
    await createUser(site.identity, user, serverActor("command line"));
    const fields = { token, name: "ann", password: goodPassword, password2: goodPassword };
    expect((await submit(site, fields)).statusCode).toBe(404);
    expect(await superusers(site)).toEqual(["cli"]);
  });

  test("the configured superuser is made once, whatever its password, and left alone afterwards", async () => {
    await using site = await freshSite(engine);
    await using other = await openSite(engine, { on: site.database });
    const user = { name: "admin", password: "admin", email: "admin@example.org" };
    await Promise.all([site.identity.ensureSuperuser(user), other.identity.ensureSuperuser(user)]);
    const signIn = (password: string) => site.identity.verify("admin", password, "192.0.2.1");
    expect((await signIn("admin"))?.isSuperuser).toBe(true);
    await site.identity.ensureSuperuser({ ...user, password: "another one" });
    expect((await signIn("admin"))?.isSuperuser).toBe(true);
    expect(await signIn("another one")).toBeUndefined();
    expect(await superusers(site)).toEqual(["admin"]);
    await createUser(site.identity, { name: "plain" }, serverActor());
    await site.identity.ensureSuperuser({ ...user, name: "plain" });
    expect(await superusers(site)).toEqual(["admin"]);
    const unfit = site.identity.ensureSuperuser({ ...user, name: "a:b" });
    await expect(unfit).rejects.toThrow(/configured superuser cannot be made. name: "a:b" has a colon/);
  });
});
