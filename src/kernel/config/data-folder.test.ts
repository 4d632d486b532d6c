import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/services/service.ts";
import { messageOf, OperatorError } from "../errors.ts";
import { DataFolder, lockHolder } from "./data-folder.ts";

const module = JSON.stringify(new URL("./data-folder.ts", import.meta.url).href);
const script = (code: string) => [
  "--input-type=module-typescript",
  "-e",
  `import { DataFolder } from ${module}; ${code}`,
];

test("a missing folder is made, and is its owner's only", () => {
  using parent = temporaryFolder();
  const { path } = DataFolder.open(join(parent.path, "a", "b"));
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test("a file in its place is one clear line", () => {
  using parent = temporaryFolder();
  writeFileSync(join(parent.path, "data"), "");
  expect(() => DataFolder.open(join(parent.path, "data"))).toThrow(OperatorError);
});

test("a folder of somebody else's is named with variable, path and owner", () => {
  using parent = temporaryFolder();
  const path = join(parent.path, "data");
  mkdirSync(path);
  chmodSync(parent.path, 0o755);
  chmodSync(path, 0o555);
  const message = asOrdinaryUser(() => {
    try {
      DataFolder.open(path);
    } catch (error) {
      return messageOf(error);
    }
    return "it was opened";
  });
  expect(message).toContain(`BUSBAR_DATA_DIR: the folder ${path} cannot be written (EACCES); it belongs to `);
  expect(message).not.toContain("\n");
});

test.skipIf(process.platform !== "linux")("a place that takes no folders is one clear line", () => {
  expect(() => DataFolder.open("/proc/a/b")).toThrow(
    /^BUSBAR_DATA_DIR: the folder \/proc\/a\/b cannot be written/,
  );
});

test("the secret is made once and readable by the owner only", () => {
  using parent = temporaryFolder();
  const secret = DataFolder.open(parent.path).secret();
  expect(secret).toHaveLength(64);
  expect(DataFolder.open(parent.path).secret()).toBe(secret);
  expect(statSync(join(parent.path, "secret")).mode & 0o777).toBe(0o600);
});

test("facts are kept over a restart, and no draft is left beside them", () => {
  using parent = temporaryFolder();
  const { kept } = DataFolder.open(parent.path);
  kept.put("mqttPort", 1884);
  kept.put("other", { a: [1] });
  kept.put("gone", true);
  kept.remove("gone");
  const again = DataFolder.open(parent.path).kept;
  expect(again.findNumber("mqttPort")).toBe(1884);
  expect(again.find("other")).toEqual({ a: [1] });
  expect(again.find("gone")).toBeUndefined();
  expect(again.findNumber("other")).toBeUndefined();
  expect(readdirSync(parent.path)).toEqual(["kept.json"]);
});

test("damaged facts are one clear line", () => {
  using parent = temporaryFolder();
  writeFileSync(join(parent.path, "kept.json"), "{");
  expect(() => DataFolder.open(parent.path).kept.find("x")).toThrow(/kept\.json is damaged/);
});

test("a second server is kept out while the first has the folder, and let in afterwards", () => {
  using parent = temporaryFolder();
  const folder = DataFolder.open(parent.path);
  const first = folder.lock();
  expect(() => folder.lock()).toThrow(`is in use by process ${process.pid}; stop it or set BUSBAR_DATA_DIR`);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  using second = folder.lock();
  expect(second).toBeDefined();
});

test("a server that was killed leaves no lock behind", async () => {
  using parent = temporaryFolder();
  const path = JSON.stringify(parent.path);
  const code = `globalThis.lock = DataFolder.open(${path}).lock(); console.log("locked"); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, script(code), { stdio: ["ignore", "pipe", "inherit"] });
  await once(other.stdout, "data");
  const folder = DataFolder.open(parent.path);
  expect(lockHolder(parent.path)).toBe(other.pid);
  expect(() => folder.lock()).toThrow(`in use by process ${other.pid}`);
  other.kill("SIGKILL");
  await once(other, "exit");
  using lock = folder.lock();
  expect(lock).toBeDefined();
});

/** Root may write anywhere, so root asks as somebody else. */
function asOrdinaryUser<T>(work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}
