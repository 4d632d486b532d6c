import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { busbar } from "../../test/busbar.ts";
import { temporaryFolder } from "../../test/services/service.ts";

const password = "a long enough one 7";

test("a user is made with the password from standard input, and gets a token as the last word", async () => {
  using folder = temporaryFolder();
  const made = await busbar(["user", "add", "me", "--superuser"], {
    folder: folder.path,
    input: `${password}\n`,
  });
  expect(made).toEqual({ code: 0, err: "", out: "Superuser me was made with id 1\n" });
  const token = await busbar(["token", "create", "--user", "me"], { folder: folder.path });
  expect(token).toMatchObject({ code: 0, err: "" });
  expect(token.out.trim().split(" ").at(-1)).toMatch(/^\w{20,}$/);
  expect(statSync(join(folder.path, "data")).mode & 0o777).toBe(0o700);
});

test("the password may stand in a file", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "password"), `${password}\n`);
  const args = ["user", "add", "me", "--password-file", "password"];
  expect(await busbar(args, { folder: folder.path })).toMatchObject({ code: 0 });
  const again = await busbar(args, { folder: folder.path });
  expect(again).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringMatching(/^[^\n]*"me" already[^\n]*\n$/),
  });
});

test("a token may be limited in rights and time", async () => {
  using folder = temporaryFolder();
  await busbar(["user", "add", "me"], { folder: folder.path, input: password });
  const limits = ["--scope", "view_datapoint", "--scope", "view_datapointvalue", "--expires", "30d"];
  const { code, out } = await busbar(["token", "create", "--user", "me", ...limits], { folder: folder.path });
  expect(code).toBe(0);
  expect(out).toMatch(/^Token for me, good until \d{4}-\d{2}-\d{2}T\S+Z: \w+\n$/);
});

test.each([
  [["user", "add", "me"], "", "The password is empty; nothing was changed."],
  [["user", "add", "me"], "short", "password: "],
  [["user", "add", "a:b"], password, "colon"],
  [["user", "add"], "", "busbar user add: it takes 1: NAME"],
  [["user", "add", "me", "--password-file", "absent"], "", "--password-file: "],
  [["token", "create"], "", "--user NAME is missing"],
  [["token", "create", "--user", "nobody"], "", 'There is no user "nobody"'],
  [["token", "create", "--user", "nobody", "--expires", "soon"], "", "--expires soon: must be like"],
  [["token", "create", "--user", "nobody", "--scope", "view_datapont"], "", "view_datapoint"],
])("%j with %j is refused in one line", async (args, input, line) => {
  using folder = temporaryFolder();
  const { code, out, err } = await busbar(args, { folder: folder.path, input });
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^[^\n]+\n$/);
  expect(err).toContain(line);
});

/** Types the lines into the command on a terminal (`script` of util-linux makes one). @returns all that it showed */
async function onTerminal(command: string, lines: readonly string[], folder: string) {
  const program = fileURLToPath(new URL("../../bin/busbar", import.meta.url));
  const child = spawn("script", ["-qec", `${program} ${command}`, "/dev/null"], {
    cwd: folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  let answered = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const questions = shown.match(/(Password for me|Once more): /g)?.length ?? 0;
    if (questions > answered) child.stdin.write(`${lines[answered++] ?? ""}\r`);
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, shown };
}

test.skipIf(process.platform !== "linux")(
  "on a terminal the password is asked for twice and not shown",
  async () => {
    using folder = temporaryFolder();
    const differing = await onTerminal("user add me", [password, "another one 8"], folder.path);
    expect(differing.code).toBe(2);
    expect(differing.shown).toContain("The two passwords differ; nothing was changed.");
    const { code, shown } = await onTerminal("user add me", [`x\u007f${password}`, password], folder.path);
    expect(shown).toContain("User me was made with id 1");
    expect(code).toBe(0);
    expect(shown).not.toContain(password);
  },
);
