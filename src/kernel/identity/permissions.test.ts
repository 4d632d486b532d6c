import fc from "fast-check";
import { expect, test } from "vitest";
import { Catalogue, firstMissing, intersect, nameOf, roles } from "./permissions.ts";
import { type Grant, may, type Principal } from "./principal.ts";

const catalogue = new Catalogue(["datapoint", "connector"]);
const objects = ["1", "2", "3"];

const grant: fc.Arbitrary<Grant> = fc.record({
  action: fc.constantFrom("view", "change"),
  resource: fc.constantFrom("datapoint", "connector"),
  object: fc.constantFrom("*", ...objects),
});
const grants = fc.array(grant, { maxLength: 6 });

const holder = (held: readonly Grant[], isSuperuser = false): Principal => ({
  id: 1,
  kind: "user",
  name: "x",
  isSuperuser,
  isStaff: false,
  via: "token",
  grants: held,
});

const asked = fc.record({
  action: fc.constantFrom("view", "change"),
  resource: fc.constantFrom("datapoint", "connector"),
  object: fc.constantFrom("*", ...objects, "9"),
});

test("a token may exactly what both its owner and its scopes allow", () => {
  fc.assert(
    fc.property(grants, grants, asked, (rights, scopes, { action, resource, object }) => {
      const both =
        may(holder(rights), action, resource, object) && may(holder(scopes), action, resource, object);
      expect(may(holder(intersect(rights, scopes)), action, resource, object)).toBe(both);
    }),
    { numRuns: 1000 },
  );
});

test("scopes of scopes narrow further, in any order", () => {
  fc.assert(
    fc.property(grants, grants, grants, asked, (a, b, c, { action, resource, object }) => {
      const left = may(holder(intersect(intersect(a, b), c)), action, resource, object);
      expect(may(holder(intersect(a, intersect(c, b))), action, resource, object)).toBe(left);
    }),
  );
});

test("who lacks nothing may all of it", () => {
  fc.assert(
    fc.property(grants, grants, (held, wanted) => {
      const missing = firstMissing(holder(held), wanted);
      const all = wanted.every((one) => may(holder(held), one.action, one.resource, one.object));
      expect(missing === undefined).toBe(all);
    }),
  );
  expect(firstMissing(holder([], true), catalogue.grantsOf("admin"))).toBeUndefined();
});

test("each role has all that the one before has, and only an admin decides who may do what", () => {
  const names = roles.map((role) => new Set(catalogue.grantsOf(role).map(nameOf)));
  for (const [index, set] of names.entries()) {
    const before = names[index - 1];
    if (before) expect([before.isSubsetOf(set), before.size < set.size]).toEqual([true, true]);
  }
  const [viewer, operator, manager, admin] = names;
  expect([...(viewer ?? [])]).toEqual(["view_datapoint", "view_connector"]);
  expect(operator?.has("change_datapoint")).toBe(true);
  expect(operator?.has("delete_datapoint")).toBe(false);
  expect(manager?.has("delete_datapoint")).toBe(true);
  expect(manager?.has("view_user")).toBe(false);
  expect(admin?.size).toBe(catalogue.names.length);
});

test("names are read back as they are written, and an unknown one is refused with the nearest", () => {
  expect(catalogue.names).toContain("view_metric");
  expect(catalogue.names).not.toContain("delete_change");
  const names = ["view_datapoint", "change_datapoint:12", "view_mqtt:a:b"];
  expect(catalogue.parse(names, "scopes").map(nameOf)).toEqual(names);
  expect(catalogue.known([...names, "view_gone"]).map(nameOf)).toEqual(names);
  expect(() => catalogue.parse(["view_datapiont"], "scopes")).toThrow(
    'scopes: "view_datapiont" is no permission. Did you mean view_datapoint?',
  );
  expect(() => catalogue.parse(["view_datapoint:"], "scopes")).toThrow("lacks a proper object's id");
  expect(() => catalogue.parse(["__proto__"], "scopes")).toThrow("is no permission");
});
