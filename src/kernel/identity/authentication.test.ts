import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { basic, goodPassword, openSite, type Site, status, tokenOf } from "../../../test/identity.ts";
import { until } from "../../../test/until.ts";

const detail = async (site: Site, headers: Record<string, string>) => {
  const answer = await site.call("GET", "/users/me/", { headers });
  return [answer.statusCode, answer.json().detail];
};
const minute = 60_000;

describeEachEngine("authentication", (engine) => {
  test("every form of a credential names the same user", async () => {
    await using site = await openSite(engine);
    const { id, auth } = await site.user("änn", { password: goodPassword });
    const token = auth.replace("Bearer ", "");
    const derived = await site.identity.derivedToken(id);
    expect(derived).toMatch(/^[0-9a-f]{40}$/);
    expect(await site.identity.derivedToken(id)).toBe(derived);
    const forms: Record<string, string>[] = [
      { authorization: basic("änn", goodPassword) },
      { authorization: basic("änn", token) },
      { authorization: basic("änn", derived) },
      { authorization: `bearer ${token}` },
      { authorization: `Token ${token}` },
      { authorization: `Bearer ${derived}` },
      { "x-api-key": token },
    ];
    for (const headers of forms) {
      const answer = await site.call("GET", "/session/", { headers });
      expect([headers, answer.json().user.name]).toEqual([headers, "änn"]);
    }
  });

  test("what is missing or wrong is answered with 401 and the documented texts", async () => {
    await using site = await openSite(engine);
    const { auth } = await site.user("ann", { password: goodPassword });
    const missing = [401, "Authentication credentials were not provided."];
    const wrongPassword = [401, "Invalid username/password."];
    const wrongToken = [401, "Invalid token."];
    expect(await detail(site, {})).toEqual(missing);
    expect(await detail(site, { authorization: "Negotiate abc" })).toEqual(missing);
    expect(await detail(site, { authorization: basic("ann", "wrong horse") })).toEqual(wrongPassword);
    expect(await detail(site, { authorization: basic("nobody", goodPassword) })).toEqual(wrongPassword);
    expect(await detail(site, { authorization: basic("root", auth.slice(7)) })).toEqual(wrongPassword);
    expect(await detail(site, { authorization: "Bearer bb_0000" })).toEqual(wrongToken);
    expect(await detail(site, { authorization: `Token ${"0".repeat(40)}` })).toEqual(wrongToken);
    expect(await detail(site, { "x-api-key": "nothing" })).toEqual(wrongToken);
    for (const header of ["Basic", "Basic !!!", "Basic YWJj", "Bearer", "Bearer a b"]) {
      expect(await detail(site, { authorization: header })).toEqual([
        401,
        expect.stringContaining("cannot be read"),
      ]);
    }
    const { headers } = await site.call("GET", "/users/me/");
    expect(headers["www-authenticate"]).toBe('Basic realm="api"');
  });

  test("Basic costs one hash, whether calls come one after another or at once", async () => {
    await using site = await openSite(engine);
    await site.user("ann", { password: goodPassword });
    const before = site.identity.stats.hashes;
    const as = basic("ann", goodPassword);
    const answers = await Promise.all(Array.from({ length: 20 }, () => status(site, as)));
    for (let call = 0; call < 20; call += 1) answers.push(await status(site, as));
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(site.identity.stats.hashes - before).toBe(1);
    // Long after, or after a change elsewhere, the account is read again, but not hashed again.
    site.time.now += 10 * minute;
    expect(await status(site, as)).toBe(200);
    await site.user("ben");
    expect(await status(site, as)).toBe(200);
    expect(site.identity.stats.hashes - before).toBe(1);
  });

  test("an unknown name costs as many hashes as a known one", async () => {
    await using site = await openSite(engine);
    const cost = async (name: string) => {
      const before = site.identity.stats.hashes;
      expect(await status(site, basic(name, "some password"))).toBe(401);
      return site.identity.stats.hashes - before;
    };
    expect([await cost("root"), await cost("nobody")]).toEqual([1, 1]);
  });

  test("a new password, deactivation, removal and revocation count at once, also on another node", async () => {
    await using site = await openSite(engine);
    await using other = await openSite(engine, { on: site.database });
    const both = async (as: string) => [await status(site, as), await status(other, as)];
    const elsewhere = (as: string) =>
      until("refusal on the other node", async () => (await status(other, as)) === 401);

    const ann = await site.user("ann", { password: goodPassword });
    const old = basic("ann", goodPassword);
    expect(await both(old)).toEqual([200, 200]);
    const password = "another fine secret";
    await site.call("POST", `/users/${ann.id}/password/`, { as: site.root, body: { password } });
    expect(await status(site, old)).toBe(401);
    await elsewhere(old);
    expect(await both(basic("ann", password))).toEqual([200, 200]);

    expect(await both(ann.auth)).toEqual([200, 200]);
    await site.call("PATCH", `/users/${ann.id}/`, { as: site.root, body: { is_active: false } });
    for (const as of [ann.auth, basic("ann", password)]) {
      expect(await status(site, as)).toBe(401);
      await elsewhere(as);
    }

    const ben = await site.user("ben", { password: goodPassword });
    expect(await both(ben.auth)).toEqual([200, 200]);
    const [{ id }] = (await site.call("GET", "/tokens/", { as: ben.auth })).json();
    expect((await site.call("DELETE", `/tokens/${id}/`, { as: ben.auth })).statusCode).toBe(204);
    expect(await status(site, ben.auth)).toBe(401);
    await elsewhere(ben.auth);

    expect(await both(basic("ben", goodPassword))).toEqual([200, 200]);
    await site.call("DELETE", `/users/${ben.id}/`, { as: site.root });
    expect(await status(site, basic("ben", goodPassword))).toBe(401);
    await elsewhere(basic("ben", goodPassword));
  });

  test("a check under way while the password changes leaves nothing behind", async () => {
    await using site = await openSite(engine);
    const { id } = await site.user("ann", { password: goodPassword });
    for (let round = 0; round < 5; round += 1) {
      const present = round === 0 ? goodPassword : `secret number ${round}`;
      const next = `secret number ${round + 1}`;
      const changing = site.call("POST", `/users/${id}/password/`, {
        as: site.root,
        body: { password: next },
      });
      const checks = Array.from({ length: 3 }, () => status(site, basic("ann", present)));
      expect((await changing).statusCode).toBe(204);
      expect(await status(site, basic("ann", present))).toBe(401);
      await Promise.all(checks);
      expect(await status(site, basic("ann", present))).toBe(401);
      expect(await status(site, basic("ann", next))).toBe(200);
      site.time.now += minute;
    }
  });

  test("a right that is given or taken counts at the next call", async () => {
    await using site = await openSite(engine);
    const { id, auth } = await site.user("ann");
    const patch = (body: object) => site.call("PATCH", `/users/${id}/`, { as: site.root, body });
    expect(await status(site, auth, "/groups/")).toBe(403);
    await patch({ permissions: ["view_group"] });
    expect(await status(site, auth, "/groups/")).toBe(200);
    await patch({ permissions: [] });
    expect(await status(site, auth, "/groups/")).toBe(403);
    const group = (
      await site.call("POST", "/groups/", {
        as: site.root,
        body: { name: "readers", permissions: ["view_group"] },
      })
    ).json();
    await site.call("POST", `/groups/${group.id}/members/`, { as: site.root, body: { user: id } });
    expect(await status(site, auth, "/groups/")).toBe(200);
    await site.call("PUT", `/groups/${group.id}/permissions/`, { as: site.root, body: [] });
    expect(await status(site, auth, "/groups/")).toBe(403);
    await site.call("PATCH", `/groups/${group.id}/`, { as: site.root, body: { role: "admin" } });
    expect(await status(site, auth, "/groups/")).toBe(200);
    await site.call("DELETE", `/groups/${group.id}/`, { as: site.root });
    expect(await status(site, auth, "/groups/")).toBe(403);
  });

  test("a token ends at its time, also when it is remembered", async () => {
    await using site = await openSite(engine);
    const { id } = await site.user("ann");
    const auth = await tokenOf(site.identity, id, { expiresAt: site.time.now + 30_000 });
    expect(await status(site, auth)).toBe(200);
    site.time.now += 29_999;
    expect(await status(site, auth)).toBe(200);
    site.time.now += 1;
    expect(await status(site, auth)).toBe(401);
  });

  test("scopes cut a token's rights, a superuser's as well, and never add to them", async () => {
    await using site = await openSite(engine);
    const ann = await site.user("ann", { permissions: ["view_group", "view_user:1"] });
    const scopes = ["view_user", "view_change"];
    const narrow = await tokenOf(site.identity, ann.id, { scopes });
    expect(await status(site, narrow, "/groups/")).toBe(403);
    expect(await status(site, narrow, "/changes/")).toBe(403);
    expect(await status(site, narrow, "/users/1/")).toBe(200);
    expect(await status(site, narrow, "/users/")).toBe(403);
    const root = await tokenOf(site.identity, 1, { scopes });
    expect(await status(site, root, "/users/")).toBe(200);
    expect(await status(site, root, "/groups/")).toBe(403);
    const none = await tokenOf(site.identity, 1, { scopes: [] });
    expect(await status(site, none, "/users/")).toBe(403);
    const body = { name: "second", is_superuser: true };
    const adding = await tokenOf(site.identity, 1, { scopes: ["add_user"] });
    expect((await site.call("POST", "/users/", { as: adding, body })).statusCode).toBe(403);
  });

  test("when a token was last used is known to the minute", async () => {
    await using site = await openSite(engine);
    const { auth } = await site.user("ann");
    const used = async () => (await site.call("GET", "/tokens/", { as: auth })).json()[0].last_used_at;
    expect(await used()).toBe(null);
    await site.identity.flushUsage();
    expect(await used()).toBe(site.time.now);
  });

  test("another generation or secret ends the derived token", async () => {
    await using site = await openSite(engine);
    const { id } = await site.user("ann");
    const first = `Bearer ${await site.identity.derivedToken(id)}`;
    expect(await status(site, first)).toBe(200);
    await using reseeded = await openSite(engine, { on: site.database, secret: "another secret" });
    expect(await status(reseeded, first)).toBe(401);
    await site.database.write((tx) => site.identity.raiseGeneration(tx, id));
    expect(await status(site, first)).toBe(401);
    const second = `Bearer ${await site.identity.derivedToken(id)}`;
    expect(second).not.toBe(first);
    expect(await status(site, second)).toBe(200);
  });
});
