import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { code, goodPassword, openSite } from "../../../test/identity.ts";
import { encodeCursor } from "../http/paging.ts";

describeEachEngine("identity routes", (engine) => {
  test("nobody gets anywhere without credentials, and a user without rights only to its own", async () => {
    await using site = await openSite(engine);
    const { auth } = await site.user("plain");
    const group = (await site.call("POST", "/groups/", { as: site.root, body: { name: "g" } })).json();
    const routes: [string, string, number, unknown?][] = [
      ["GET", "/users/", 403],
      ["POST", "/users/", 403, { name: "x" }],
      ["GET", "/users/me/", 200],
      ["GET", "/users/1/", 404],
      ["PATCH", "/users/1/", 404, { email: "x" }],
      ["DELETE", "/users/1/", 403],
      ["POST", "/users/1/password/", 404, { password: goodPassword }],
      ["GET", "/groups/", 403],
      ["POST", "/groups/", 403, { name: "h" }],
      ["GET", `/groups/${group.id}/`, 403],
      ["PATCH", `/groups/${group.id}/`, 403, { name: "h" }],
      ["DELETE", `/groups/${group.id}/`, 403],
      ["GET", `/groups/${group.id}/members/`, 403],
      ["POST", `/groups/${group.id}/members/`, 403, { user: 1 }],
      ["DELETE", `/groups/${group.id}/members/1/`, 403],
      ["GET", `/groups/${group.id}/permissions/`, 403],
      ["PUT", `/groups/${group.id}/permissions/`, 403, []],
      ["GET", "/permissions/", 200],
      ["GET", "/tokens/", 200],
      ["GET", "/tokens/?user=1", 404],
      ["POST", "/tokens/?user=1", 404, {}],
      ["GET", "/tokens/1/", 404],
      ["DELETE", "/tokens/1/", 404],
      ["GET", "/changes/", 403],
    ];
    for (const [method, url, expected, body] of routes) {
      expect([method, url, await code(site, method, url, undefined, body)]).toEqual([method, url, 401]);
      expect([method, url, await code(site, method, url, auth, body)]).toEqual([method, url, expected]);
      const other = url.replace(/\/(\?|$)/, "$1");
      expect([method, other, await code(site, method, other, auth, body)]).toEqual([method, other, expected]);
    }
    expect(await code(site, "GET", "/session/", undefined)).toBe(200);
  });

  test("an account is made, read, changed and removed, and each step is in the log without a secret", async () => {
    await using site = await openSite(engine);
    const as = site.root;
    const body = {
      name: "ann",
      password: goodPassword,
      email: "a@example.org",
      role: "operator",
      permissions: ["view_metric", "view_datapoint:7"],
    };
    const made = await site.call("POST", "/users/", { as, body });
    expect(made.statusCode).toBe(201);
    const user = made.json();
    expect(made.headers.location).toBe(`/users/${user.id}/`);
    expect(user).toMatchObject({
      kind: "user",
      source: "local",
      name: "ann",
      email: "a@example.org",
      role: "operator",
      groups: [],
      permissions: ["view_metric", "view_datapoint:7"],
      is_superuser: false,
      is_active: true,
      has_password: true,
    });
    const read = await site.call("GET", `/users/${user.id}/`, { as });
    expect(read.json()).toEqual(user);
    const stale = { "if-match": '"other"' };
    expect(
      (await site.call("PATCH", `/users/${user.id}/`, { as, body: { email: "" }, headers: stale }))
        .statusCode,
    ).toBe(412);
    const fresh = { "if-match": String(read.headers.etag) };
    const changed = await site.call("PATCH", `/users/${user.id}/`, {
      as,
      body: { name: "anna", permissions: [] },
      headers: fresh,
    });
    expect(changed.json()).toMatchObject({ name: "anna", permissions: [], role: "operator" });
    expect((await site.call("GET", "/users/?name=anna", { as })).json()).toEqual([changed.json()]);
    await site.call("POST", `/users/${user.id}/password/`, { as, body: { password: `${goodPassword} 2` } });
    expect(await code(site, "DELETE", `/users/${user.id}/`, as)).toBe(204);
    expect(await code(site, "GET", `/users/${user.id}/`, as)).toBe(404);

    const log = await site.call("GET", `/changes/?resource=user&object=${user.id}`, { as });
    const steps = log
      .json()
      .map((change: { action: string; reason: string | null }) => [change.action, change.reason]);
    expect(steps).toEqual([
      ["delete", null],
      ["update", "the password was changed"],
      ["update", "all sessions and the derived token were ended"],
      ["update", null],
      ["create", null],
    ]);
    const [, , , update] = log.json();
    expect([update.before.name, update.after.name, update.actor.name, update.actor.via]).toEqual([
      "ann",
      "anna",
      "root",
      "token",
    ]);
    expect(log.body).not.toMatch(/argon2|horse|bb_[0-9a-f]{20}/);
  });

  test("bad input is refused with field, value and rule", async () => {
    await using site = await openSite(engine);
    const as = site.root;
    await site.user("ann");
    const group = (await site.call("POST", "/groups/", { as, body: { name: "g" } })).json();
    const bad: [string, string, unknown, number, string][] = [
      ["POST", "/users/", {}, 400, "name: This field is required."],
      ["POST", "/users/", { name: 5 }, 400, "name"],
      ["POST", "/users/", { name: "a:b" }, 400, "colon"],
      ["POST", "/users/", { name: " a" }, 400, "space"],
      ["POST", "/users/", { name: "b", nonsense: 1 }, 400, "nonsense"],
      ["POST", "/users/", { name: "b", password: "12345678" }, 400, "digits"],
      ["POST", "/users/", { name: "ann" }, 409, "ann"],
      ["POST", "/users/", { name: "b", role: "king" }, 400, "viewer, operator, manager, admin"],
      [
        "POST",
        "/users/",
        { name: "b", permissions: ["view_datapoints"] },
        400,
        "Did you mean view_datapoint?",
      ],
      ["POST", "/users/", { name: "b", groups: [99] }, 400, "There is no group 99."],
      ["PATCH", "/users/1/", { name: "ann" }, 409, "ann"],
      ["PATCH", "/users/99/", { email: "" }, 404, "99"],
      ["PATCH", "/users/x/", { email: "" }, 404, ""],
      ["POST", "/users/2/password/", { password: "ann" }, 400, "at least 8"],
      ["POST", "/users/99/password/", { password: goodPassword }, 404, "99"],
      ["POST", "/groups/", { name: "g" }, 409, "g"],
      ["POST", "/groups/", { name: "h", permissions: ["view_x"] }, 400, "view_x"],
      ["PATCH", "/groups/99/", { name: "h" }, 404, "99"],
      ["POST", `/groups/${group.id}/members/`, { user: 99 }, 400, "There is no user 99."],
      ["DELETE", `/groups/${group.id}/members/1/`, undefined, 404, "1"],
      ["PUT", `/groups/${group.id}/permissions/`, ["nonsense"], 400, "nonsense"],
      ["POST", "/tokens/", { scopes: ["nonsense"] }, 400, "nonsense"],
      ["POST", "/tokens/", { expires_at: "tomorrow" }, 400, "ISO 8601"],
      ["POST", "/tokens/", { expires_at: 5 }, 400, "in the past"],
      ["POST", "/tokens/?user=99", {}, 404, "99"],
      ["DELETE", "/tokens/99/", undefined, 404, "99"],
      ["POST", "/session/", { username: "ann" }, 400, "password"],
      ["GET", "/changes/?cursor=x", undefined, 400, "cursor"],
      ["POST", "/users/", { name: "a\0" }, 400, "control character"],
      ["POST", "/users/", { name: "b", email: "a\0" }, 400, "email"],
      ["POST", "/users/", { name: "b", organisation: "\0" }, 400, "organisation"],
      ["POST", "/users/", { name: "b", permissions: ["view_datapoint:\0"] }, 400, "permissions"],
      ["POST", "/tokens/", { name: "a\0" }, 400, "name"],
      ["POST", "/session/", { username: "ann\0", password: "x" }, 401, "Invalid username/password."],
      ["GET", `/users/?cursor=${encodeCursor([1e300])}`, undefined, 400, "cursor"],
      ["GET", `/changes/?cursor=${encodeCursor([1.5])}`, undefined, 400, "cursor"],
      ["GET", "/users/?name=%00", undefined, 400, "name"],
      ["GET", "/users/99999999999999999/", undefined, 404, ""],
      ["GET", "/changes/?resource=%00", undefined, 400, "resource"],
      ["GET", "/changes/?object=%00", undefined, 400, "object"],
      ["GET", "/changes/?principal=99999999999999999999", undefined, 400, "principal"],
      ["POST", "/groups/1/members/", { user: 1e300 }, 400, "user"],
      ["POST", "/users/", { name: "b", groups: [1e300] }, 400, "groups"],
      ["GET", "/tokens/?user=1e300", undefined, 400, "user"],
      ["GET", "/changes/?limit=0", undefined, 400, "limit"],
      ["GET", "/users/?cursor=WyJhIl0", undefined, 400, "cursor"],
    ];
    for (const [method, url, body, expected, text] of bad) {
      const answer = await site.call(method, url, { as, ...(body === undefined ? {} : { body }) });
      expect([method, url, body, answer.statusCode]).toEqual([method, url, body, expected]);
      expect(answer.json().detail).toContain(text);
      expect(answer.headers["content-type"]).toContain("application/problem+json");
    }
    expect((await site.call("GET", "/users/", { as })).json()).toHaveLength(2);
  });

  test("a token is shown once and lists what it may", async () => {
    await using site = await openSite(engine);
    const { auth, id } = await site.user("ann");
    const body = { name: "meter", scopes: ["view_datapoint"], expires_at: "2030-01-31T12:00:00+01:00" };
    const made = await site.call("POST", "/tokens/", { as: auth, body });
    expect(made.statusCode).toBe(201);
    const { token, ...shown } = made.json();
    expect(token).toMatch(/^bb_[0-9a-f]{40}$/);
    expect(shown).toEqual({
      id: expect.any(Number),
      user: id,
      name: "meter",
      prefix: token.slice(0, 9),
      scopes: ["view_datapoint"],
      created_at: site.time.now,
      expires_at: Date.UTC(2030, 0, 31, 11),
      last_used_at: null,
    });
    expect((await site.call("GET", `/tokens/${shown.id}/`, { as: auth })).json()).toEqual(shown);
    const list = await site.call("GET", "/tokens/", { as: auth });
    expect(list.json()).toHaveLength(2);
    expect(list.body).not.toContain(token);
    expect(await code(site, "GET", `/tokens/${shown.id}/`, (await site.user("ben")).auth)).toBe(404);
  });

  test("groups hold members and rights", async () => {
    await using site = await openSite(engine);
    const as = site.root;
    const { id } = await site.user("ann");
    const group = (
      await site.call("POST", "/groups/", { as, body: { name: "g", permissions: ["view_metric"] } })
    ).json();
    const url = `/groups/${group.id}`;
    expect((await site.call("POST", `${url}/members/`, { as, body: { user: id } })).json()).toEqual([id]);
    expect((await site.call("POST", `${url}/members/`, { as, body: { user: id } })).json()).toEqual([id]);
    expect((await site.call("GET", `${url}/members/`, { as })).json()).toEqual([id]);
    expect((await site.call("GET", `/users/${id}/`, { as })).json().groups).toEqual([group.id]);
    const put = await site.call("PUT", `${url}/permissions/`, { as, body: ["view_change", "view_change"] });
    expect(put.json()).toEqual(["view_change"]);
    expect((await site.call("GET", `${url}/permissions/`, { as })).json()).toEqual(["view_change"]);
    expect((await site.call("GET", "/groups/", { as })).json()).toMatchObject([{ name: "g", members: [id] }]);
    expect(await code(site, "DELETE", `${url}/members/${id}/`, as)).toBe(204);
    expect(await code(site, "DELETE", `${url}/`, as)).toBe(204);
    expect(await code(site, "GET", `${url}/`, as)).toBe(404);
  });

  test("lists page by cursor, and the log filters", async () => {
    await using site = await openSite(engine);
    const as = site.root;
    for (const name of ["a", "b", "c"]) await site.user(name);
    const names: string[] = [];
    let url: string | undefined = "/users/?limit=3";
    while (url !== undefined) {
      const answer = await site.call("GET", url, { as });
      names.push(...answer.json().map((user: { name: string }) => user.name));
      url = /<([^>]+)>; rel="next"/.exec(String(answer.headers.link ?? ""))?.[1];
    }
    expect(names).toEqual(["root", "a", "b", "c"]);
    await site.call("POST", "/groups/", { as, body: { name: "g" } });
    const log = async (query: string) =>
      (await site.call("GET", `/changes/?${query}`, { as }))
        .json()
        .map((change: { resource: string }) => change.resource);
    expect(await log("principal=1")).toEqual(["group"]);
    expect(await log("resource=user")).toHaveLength(4);
    expect(await log("resource=user&object=2")).toEqual(["user"]);
    const first = await site.call("GET", "/changes/?limit=2", { as });
    expect(first.headers.link).toContain("cursor=");
  });
});
