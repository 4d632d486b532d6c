import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { goodPassword, openSite } from "../../../test/identity.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

describeEachEngine("sessions", (engine) => {
  test("a session has a strict cookie and needs the CSRF token to change anything", async () => {
    await using site = await openSite(engine);
    await site.user("ann", { password: goodPassword });
    const body = { username: "ann", password: goodPassword };
    const login = await site.call("POST", "/session/", { body });
    expect(login.statusCode).toBe(200);
    const set = String(login.headers["set-cookie"]);
    expect(set).toMatch(/^busbar_session=[\w-]{43}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax$/);
    const cookie = set.split(";")[0] ?? "";
    const csrf = login.json().csrf_token;
    const seen = (await site.call("GET", "/session", { headers: { cookie } })).json();
    expect([seen.user.name, seen.via, seen.csrf_token]).toEqual(["ann", "session", csrf]);

    const make = (headers: Record<string, string>) =>
      site.call("POST", "/tokens/", { body: {}, headers: { cookie, ...headers } });
    const refused = await make({});
    expect([refused.statusCode, refused.json().type]).toEqual([403, "/problems/csrf-failed"]);
    expect((await make({ "x-csrftoken": `${csrf}0` })).statusCode).toBe(403);
    expect((await make({ "x-csrftoken": csrf })).statusCode).toBe(201);
    expect((await make({ "x-csrf-token": csrf })).statusCode).toBe(201);
    // An explicit credential beats the cookie, and needs no CSRF token.
    const as = site.root;
    const both = await site.call("GET", "/session/", { as, headers: { cookie } });
    expect([both.json().user.name, both.json().csrf_token]).toEqual(["root", null]);

    expect((await site.call("DELETE", "/session/", { headers: { cookie } })).statusCode).toBe(403);
    const logout = await site.call("DELETE", "/session/", { headers: { cookie, "x-csrf-token": csrf } });
    expect(logout.statusCode).toBe(204);
    expect(logout.headers["set-cookie"]).toContain("Max-Age=0");
    expect((await site.call("GET", "/users/me/", { headers: { cookie } })).statusCode).toBe(401);
  });

  test("signing in again needs no CSRF token, ends the session before, and works from no other site", async () => {
    await using site = await openSite(engine);
    const body = { username: "root", password: goodPassword };
    const first =
      String((await site.call("POST", "/session/", { body })).headers["set-cookie"]).split(";")[0] ?? "";
    const again = await site.call("POST", "/session/", { body, headers: { cookie: first } });
    expect(again.statusCode).toBe(200);
    expect((await site.call("GET", "/users/me/", { headers: { cookie: first } })).statusCode).toBe(401);
    const cross = await site.call("POST", "/session/", { body, headers: { "sec-fetch-site": "cross-site" } });
    expect(cross.statusCode).toBe(403);
    const wrong = await site.call("POST", "/session/", { body: { ...body, password: "x" } });
    expect([wrong.statusCode, wrong.json().detail]).toEqual([401, "Invalid username/password."]);
  });

  test("a session ends when it is not used for a day, and after two weeks in any case", async () => {
    await using site = await openSite(engine);
    const body = { username: "root", password: goodPassword };
    const open = async () =>
      String((await site.call("POST", "/session/", { body })).headers["set-cookie"]).split(";")[0] ?? "";
    const see = async (cookie: string) =>
      (await site.call("GET", "/users/me/", { headers: { cookie } })).statusCode;
    const idle = await open();
    site.time.now += day;
    expect(await see(idle)).toBe(401);
    const busy = await open();
    for (let half = 1; half < 28; half += 1) {
      site.time.now += day / 2;
      expect(await see(busy)).toBe(200);
      if (half % 3 === 0) await site.identity.flushUsage();
    }
    site.time.now += day / 2;
    expect(await see(busy)).toBe(401);
  });

  test("a cookie given out over HTTPS is Secure", async () => {
    await using site = await openSite(engine);
    const body = { username: "root", password: goodPassword };
    const headers = { "x-forwarded-proto": "https" };
    const answer = await site.call("POST", "/session/", { body, headers, from: "127.0.0.1" });
    expect(answer.headers["set-cookie"]).toMatch(/; Secure$/);
  });
});
