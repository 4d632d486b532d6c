import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkTopic, FilterSet, FilterTree, isValidFilter, topicMatches } from "./filters.ts";

describe("topicMatches", () => {
  test.each([
    ["a/b", "a/b", true],
    ["a/b", "a/c", false],
    ["a/+", "a/b", true],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["a/+/c", "a//c", true],
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["#", "a/b", true],
    ["#", "$SYS/x", false],
    ["+/x", "$SYS/x", false],
    ["$SYS/#", "$SYS/x", true],
    ["+", "/a", false],
    ["+/+", "/a", true],
  ])("%s and %s", (filter, topic, matches) => {
    expect(topicMatches(filter, topic)).toBe(matches);
    expect(new FilterSet(new Set([filter])).matches(topic)).toBe(matches);
    const tree = new FilterTree<string>();
    tree.set(filter, "k", filter);
    expect(tree.match(topic)).toEqual(matches ? [filter] : []);
  });
});

test("which filters are valid", () => {
  for (const filter of ["a", "a/b", "+", "#", "a/+/b", "a/#", "/", "+/+"])
    expect(isValidFilter(filter)).toBe(true);
  for (const filter of ["", "a#", "a/#/b", "a+/b", "a/b+", "x\0y"]) expect(isValidFilter(filter)).toBe(false);
});

test("which topics are valid", () => {
  for (const topic of ["a", "a/b", "/"]) checkTopic(topic);
  for (const topic of ["", "a/+", "#", "x\0", "x".repeat(65_536)]) expect(() => checkTopic(topic)).toThrow();
});

test("a shared subscription matches what its filter matches", () => {
  expect(new FilterSet(new Set(["$share/nodes/a/+"])).matches("a/b")).toBe(true);
});

const level = fc.constantFrom("a", "b", "", "$x");
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ["#"] : [])].join("/"));

test("the tree finds what a search through the list finds, also after removals", () => {
  fc.assert(
    fc.property(fc.array(filters), fc.array(filters), topics, (added, removed, topic) => {
      const tree = new FilterTree<string>();
      const list = new Set<string>();
      for (const filter of added) {
        tree.set(filter, "key", filter);
        list.add(filter);
      }
      for (const filter of removed) {
        tree.delete(filter, "key");
        list.delete(filter);
      }
      expect(tree.size).toBe(list.size);
      expect(tree.match(topic).sort()).toEqual(
        [...list].filter((filter) => topicMatches(filter, topic)).sort(),
      );
    }),
  );
});
