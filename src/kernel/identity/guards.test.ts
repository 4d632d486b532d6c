import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { basic, code, goodPassword, openSite, tokenOf } from "../../../test/identity.ts";

describeEachEngine("guard rails", (engine) => {
  test("nobody gives what it does not have", async () => {
    await using site = await openSite(engine);
    const rights = [
      "view_user",
      "add_user",
      "change_user",
      "delete_user",
      "view_group",
      "add_group",
      "change_group",
      "add_token",
      "delete_token",
      "view_token",
      "view_datapoint:7",
    ];
    const clerk = await site.user("clerk", { permissions: rights });
    const victim = await site.user("victim", { permissions: ["view_change"] });
    const group = (
      await site.call("POST", "/groups/", { as: site.root, body: { name: "strong", role: "admin" } })
    ).json();
    const refused: [string, string, unknown][] = [
      ["POST", "/users/", { name: "x", is_superuser: true }],
      ["POST", "/users/", { name: "x", is_staff: true }],
      ["POST", "/users/", { name: "x", role: "admin" }],
      ["POST", "/users/", { name: "x", role: "viewer" }],
      ["POST", "/users/", { name: "x", permissions: ["view_change"] }],
      ["POST", "/users/", { name: "x", permissions: ["view_datapoint"] }],
      ["POST", "/users/", { name: "x", permissions: ["view_datapoint:8"] }],
      ["POST", "/users/", { name: "x", groups: [group.id] }],
      ["POST", "/users/", { name: "x", organisation: "other" }],
      ["PATCH", `/users/${clerk.id}/`, { role: "admin" }],
      ["PATCH", `/users/${clerk.id}/`, { is_superuser: true }],
      ["PATCH", `/users/${clerk.id}/`, { permissions: [...rights, "view_change"] }],
      ["PATCH", "/users/1/", { email: "mine@example.org" }],
      ["DELETE", "/users/1/", undefined],
      ["POST", "/users/1/password/", { password: goodPassword }],
      ["POST", `/users/${victim.id}/password/`, { password: goodPassword }],
      ["POST", "/groups/", { name: "x", permissions: ["view_change"] }],
      ["PATCH", `/groups/${group.id}/`, { permissions: ["view_change"] }],
      ["POST", `/groups/${group.id}/members/`, { user: clerk.id }],
      ["POST", `/groups/${group.id}/members/`, { user: 1 }],
      ["POST", "/tokens/?user=1", { scopes: ["view_user"] }],
      ["POST", `/tokens/?user=${victim.id}`, { scopes: ["view_change"] }],
      ["DELETE", "/tokens/1/", undefined],
    ];
    for (const [method, url, body] of refused) {
      const answer = await site.call(method, url, {
        as: clerk.auth,
        ...(body === undefined ? {} : { body }),
      });
      expect([method, url, body, answer.statusCode]).toEqual([method, url, body, 403]);
      expect(answer.json().detail).toContain("You do not have permission to perform this action.");
    }
    const unlimited = await site.call("POST", `/tokens/?user=${victim.id}`, { as: clerk.auth, body: {} });
    expect([unlimited.statusCode, unlimited.json().fields]).toEqual([400, { scopes: [expect.any(String)] }]);
    expect((await site.call("GET", "/users/", { as: site.root })).json()).toHaveLength(3);

    const allowed: [string, string, unknown, number][] = [
      ["POST", "/users/", { name: "x", permissions: ["view_datapoint:7"] }, 201],
      ["PATCH", `/users/${victim.id}/`, { permissions: ["view_change", "view_user"] }, 200],
      ["POST", `/tokens/?user=${victim.id}`, { scopes: ["view_user"] }, 201],
      ["GET", `/tokens/?user=${victim.id}`, undefined, 200],
    ];
    for (const [method, url, body, expected] of allowed)
      expect([url, await code(site, method, url, clerk.auth, body)]).toEqual([url, expected]);
  });

  test("ten thousand rights fit", async () => {
    await using site = await openSite(engine);
    const permissions = Array.from({ length: 10_000 }, (_, index) => `view_datapoint:${index}`);
    const body = { name: "many", permissions };
    const made = await site.call("POST", "/users/", { as: site.root, body });
    expect([made.statusCode, made.json().permissions.length]).toEqual([201, 10_000]);
  });

  test("the last active superuser stays, and nobody removes or deactivates itself", async () => {
    await using site = await openSite(engine);
    const as = site.root;
    for (const body of [{ is_superuser: false }, { is_active: false }])
      expect(await code(site, "PATCH", "/users/1/", as, body)).toBe(409);
    expect(await code(site, "DELETE", "/users/1/", as)).toBe(409);
    const second = await site.user("second", { is_superuser: true });
    expect(await code(site, "DELETE", "/users/1/", as)).toBe(409);
    expect(await code(site, "PATCH", "/users/1/", as, { is_active: false })).toBe(409);
    expect(await code(site, "PATCH", "/users/1/", second.auth, { is_superuser: false })).toBe(200);
    expect(await code(site, "PATCH", `/users/${second.id}/`, second.auth, { is_superuser: false })).toBe(409);
  });

  test("two superusers that demote each other at the same time leave one", async () => {
    await using site = await openSite(engine);
    await using other = await openSite(engine, { on: site.database });
    const second = await site.user("second", { is_superuser: true });
    const codes = await Promise.all([
      code(site, "PATCH", `/users/${second.id}/`, site.root, { is_superuser: false }),
      code(other, "PATCH", "/users/1/", second.auth, { is_superuser: false }),
    ]);
    expect(codes.toSorted()).not.toEqual([200, 200]);
    const users: { is_superuser: boolean }[] = (
      await Promise.all(
        [1, second.id].map((id) =>
          site.call("GET", `/users/${id}/`, { as: id === 1 ? site.root : second.auth }),
        ),
      )
    ).map((answer) => answer.json());
    expect(users.filter((user) => user.is_superuser)).toHaveLength(1);
  });

  test("one's own password needs the old one, ends the other sessions and gives the caller a new one", async () => {
    await using site = await openSite(engine);
    const { id } = await site.user("ann", { password: goodPassword });
    const login = await site.call("POST", "/session/", { body: { username: "ann", password: goodPassword } });
    const cookie = String(login.headers["set-cookie"]).split(";")[0] ?? "";
    const headers = { cookie, "x-csrf-token": login.json().csrf_token };
    const url = `/users/${id}/password/`;
    const password = "a whole new secret";
    const change = (body: object) => site.call("POST", url, { headers, body });
    expect((await change({ password })).json().fields).toHaveProperty("old_password");
    expect((await change({ password, old_password: "wrong" })).json().fields).toHaveProperty("old_password");
    const done = await change({ password, old_password: goodPassword });
    expect(done.statusCode).toBe(204);
    const renewed = String(done.headers["set-cookie"]).split(";")[0] ?? "";
    const see = async (value: string) =>
      (await site.call("GET", "/users/me/", { headers: { cookie: value } })).statusCode;
    expect([await see(cookie), await see(renewed)]).toEqual([401, 200]);
    expect(await code(site, "GET", "/users/me/", basic("ann", password))).toBe(200);
  });

  test("a token with scopes manages neither its owner's account nor tokens", async () => {
    await using site = await openSite(engine);
    const { id } = await site.user("ann", { permissions: ["view_datapoint"] });
    const as = await tokenOf(site.identity, id, { scopes: ["view_datapoint"] });
    expect(await code(site, "GET", "/users/me/", as)).toBe(200);
    expect(await code(site, "GET", "/tokens/", as)).toBe(403);
    expect(await code(site, "POST", "/tokens/", as, {})).toBe(403);
    expect(await code(site, "PATCH", `/users/${id}/`, as, { email: "x" })).toBe(403);
    expect(await code(site, "POST", `/users/${id}/password/`, as, { password: goodPassword })).toBe(404);
    const root = await tokenOf(site.identity, 1, { scopes: ["add_token", "view_user"] });
    expect(await code(site, "POST", "/tokens/", root, {})).toBe(403);
    expect(await code(site, "POST", `/tokens/?user=${id}`, root, { scopes: ["view_user"] })).toBe(201);
    expect(await code(site, "POST", `/tokens/?user=${id}`, root, { scopes: ["view_change"] })).toBe(403);
  });
});
