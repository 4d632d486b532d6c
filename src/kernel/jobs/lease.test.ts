import { expect, test } from "vitest";
import { describeEachEngine, describeOnPostgres } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";
import { Lease, leaseMigrations } from "./lease.ts";

describeEachEngine("a lease", (engine) => {
  test("is held as long as it is asked for, and can be taken again", async () => {
    await using database = await engine.open({ migrations: leaseMigrations });
    await using lease = new Lease({ database, name: "work" });
    expect([await lease.held(), await lease.held()]).toEqual([true, true]);
    await lease[Symbol.asyncDispose]();
    await using next = new Lease({ database, name: "work" });
    expect(await next.held()).toBe(true);
  });
});

describeOnPostgres("a lease on several nodes", (engine) => {
  test("one holds it, and another takes over when it is given back", async () => {
    await using a = await engine.open({ migrations: leaseMigrations });
    await using b = await engine.reopen(a);
    const leases = [a, b, a, b].map((database) => new Lease({ database, name: "work", millis: 600_000 }));
    const held = await Promise.all(leases.map((lease) => lease.held()));
    expect(held.filter(Boolean)).toHaveLength(1);
    await using other = new Lease({ database: b, name: "other work" });
    expect(await other.held()).toBe(true);
    for (const lease of leases) await lease[Symbol.asyncDispose]();
    await using next = new Lease({ database: b, name: "work" });
    expect(await next.held()).toBe(true);
  });

  test("one that is not renewed runs out", async () => {
    await using a = await engine.open({ migrations: leaseMigrations });
    await using b = await engine.reopen(a);
    const gone = new Lease({ database: a, name: "work", millis: 40 });
    expect(await gone.held()).toBe(true);
    const heir = () => new Lease({ database: b, name: "work", millis: 600_000 });
    await until("an heir to have it", () => heir().held());
    await until("the first to notice", async () => !(await gone.held()));
  });
});
