import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { problemTypes } from "../src/kernel/errors.ts";

const root = new URL("..", import.meta.url).pathname;
const documents = [...globSync("*.md", { cwd: root }), ...globSync("docs/**/*.md", { cwd: root })];
const read = (file: string): string => readFileSync(join(root, file), "utf8");

describe.each(documents)("%s", (file) => {
  test("links only to what is there", () => {
    const links = [...read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
    const missing = links.filter(
      (link) => !/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(file), link)),
    );
    expect(missing).toEqual([]);
  });
});

test("each decision is in the list of decisions", () => {
  const list = read("docs/decisions/README.md");
  for (const file of globSync("docs/decisions/0*.md", { cwd: root }))
    expect(list).toContain(`(${file.split("/").at(-1)})`);
});

test("each dependency has its reason", () => {
  const reasons = read("docs/decisions/0012-dependencies.md");
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
  const names = ["dependencies", "devDependencies"].flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  const unexplained = names.filter((name) => !reasons.includes(name.replace(/^@fastify\//, "")));
  expect(unexplained).toEqual([]);
});

test("the lockfile names no registry, and each package of the common platforms has its hash", () => {
  const lock = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { resolved?: string; integrity?: string; optional?: boolean }>;
  };
  const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  const unhashed = packages.filter(([, { integrity, optional }]) => integrity === undefined && !optional);
  expect(unhashed).toEqual([]);
});

test("each kind of problem is one that the code can answer with", () => {
  const sources = globSync("src/**/*.ts", { cwd: root }).filter(
    (file) => !file.endsWith(".test.ts") && file !== "src/kernel/errors.ts",
  );
  const code = sources.map(read).join("\n");
  // That no other is answered with is a matter of types: `Problem` takes no other code.
  expect(Object.keys(problemTypes).filter((name) => !code.includes(`"${name}"`))).toEqual([]);
});
