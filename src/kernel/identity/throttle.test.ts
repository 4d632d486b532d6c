import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { basic, goodPassword, openSite, status } from "../../../test/identity.ts";

describeEachEngine("throttling", (engine) => {
  test("wrong passwords are slowed down per name; what is remembered and tokens pass", async () => {
    await using site = await openSite(engine);
    const { auth } = await site.user("ann", { password: goodPassword });
    const right = basic("ann", goodPassword);
    expect(await status(site, right)).toBe(200);
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const from = `192.0.2.${attempt}`;
      const answer = await site.call("GET", "/users/me/", { as: basic("ann", `wrong ${attempt}`), from });
      expect(answer.statusCode).toBe(401);
    }
    const refused = await site.call("GET", "/users/me/", { as: basic("ann", "wrong"), from: "192.0.2.99" });
    expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([429, "6"]);
    expect(refused.json().type).toBe("/problems/too-many-requests");
    expect([await status(site, right), await status(site, auth)]).toEqual([200, 200]);
    expect(await site.identity.verify("ann", "wrong", "192.0.2.99")).toBeUndefined();
    site.time.now += 6000;
    expect(await status(site, basic("ann", "wrong"))).toBe(401);
    expect(await status(site, basic("ann", "wrong too"))).toBe(429);
  });

  test("a device that goes on with an old secret costs no hash and locks nobody out", async () => {
    await using site = await openSite(engine);
    await site.user("ann", { password: goodPassword });
    const before = site.identity.stats.hashes;
    for (let call = 0; call < 60; call += 1) {
      expect(await status(site, basic("ann", "the old password"))).toBe(401);
      expect(await status(site, "Bearer bb_old")).toBe(401);
    }
    expect(site.identity.stats.hashes - before).toBe(1);
    expect(await status(site, basic("ann", goodPassword))).toBe(200);
  });

  test("a hundred guesses at once pay a hundred times, and an address with many names is slowed down, too", async () => {
    await using site = await openSite(engine);
    const codes = await Promise.all(
      Array.from({ length: 100 }, (_, index) => status(site, `Bearer bb_${index}`)),
    );
    expect(codes.filter((code) => code === 401)).toHaveLength(50);
    expect(codes.filter((code) => code === 429)).toHaveLength(50);
    expect(await status(site, basic("root", goodPassword))).toBe(429);
    const elsewhere = { as: basic("root", goodPassword), from: "198.51.100.1" };
    expect((await site.call("GET", "/users/me/", elsewhere)).statusCode).toBe(200);
    const guesses = Array.from({ length: 30 }, (_, index) =>
      site.call("GET", "/users/me/", { as: basic("root", `guess ${index}`), from: `198.51.100.${index}` }),
    );
    const guessed = (await Promise.all(guesses)).map((answer) => answer.statusCode);
    expect(guessed.filter((code) => code === 401)).toHaveLength(10);
  });

  test("a right password is not counted as a failure", async () => {
    await using site = await openSite(engine);
    await site.user("ann", { password: goodPassword });
    for (let round = 0; round < 15; round += 1) {
      const body = { username: "ann", password: goodPassword };
      expect((await site.call("POST", "/session/", { body })).statusCode).toBe(200);
    }
  });
});
