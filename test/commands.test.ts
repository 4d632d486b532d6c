import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminName, adminPassword, startTestApp, type TestApp } from "./app.ts";
import { busbar, startBusbar } from "./busbar.ts";
import { freePort, temporaryFolder } from "./services/service.ts";

const root = new URL("..", import.meta.url).pathname;

/** The second column: what is said to work here. */
const rows = readFileSync(join(root, "docs/commands.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("|") && !/^\|(-|\s*documented)/.test(line))
  .map((line) => /^`([^`]+)`/.exec(line.split("|")[2]?.trim() ?? "")?.[1] ?? line);

const folder = temporaryFolder();
let app: TestApp;
let env: Record<string, string>;

beforeAll(async () => {
  app = await startTestApp();
  const [http, https, mqtt] = await Promise.all([freePort(), freePort(), freePort()]);
  env = {
    BUSBAR_HOST: "127.0.0.1",
    BUSBAR_HTTP_PORT: String(http),
    BUSBAR_HTTPS_PORT: String(https),
    BUSBAR_MQTT_PORT: String(mqtt),
    BUSBAR_EXTRA_HTTP_PORTS: "",
  };
  // Each row finds a data folder with an account, whatever the other rows did.
  const superuser = { DJANGO_SUPERUSER_USERNAME: adminName, DJANGO_SUPERUSER_PASSWORD: adminPassword };
  await using server = await startBusbar({ folder: folder.path, env: { ...env, ...superuser } });
  await server.end();
  const backup = rows.find((row) => row.includes("simple_db_backup.py -b"));
  expect(await run(backup ?? "")).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const values: Readonly<Record<string, () => string>> = {
  NAME: () => adminName,
  PASSWORD: () => adminPassword,
  URL: () => app.url,
  DATE: () => "2026-01-01",
  FOLDER: () => folder.path,
};

async function run(command: string): Promise<{ readonly code: number | null; readonly out: string }> {
  const [program = "", ...words] = command.split(" ");
  const args = words.map((word) => values[word]?.() ?? word);
  if (program === "bin/busbar") return busbar(args, { folder: folder.path, env, input: adminPassword });
  const child = spawn(join(root, program), args, { cwd: folder.path, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out };
}

async function serves(): Promise<void> {
  await using server = await startBusbar({ folder: folder.path, env });
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  expect(await server.end()).toBe(0);
}

test.each(rows.map((row, index) => [index + 1, row] as const))("row %i: %s", async (_number, row) => {
  if (row === "bin/busbar serve") return serves();
  // Whatever is no command is a file that the server has made.
  if (row.startsWith("data/")) return expect(existsSync(join(folder.path, row))).toBe(true);
  const { code, out } = await run(row.replace("user add NAME", "user add newcomer"));
  expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/./) });
  return undefined;
});

test("the tables have rows", () => {
  expect(rows.length).toBeGreaterThanOrEqual(10);
});
