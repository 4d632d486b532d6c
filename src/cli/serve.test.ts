import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { busbar, startBusbar } from "../../test/busbar.ts";
import { freePort, temporaryFolder } from "../../test/services/service.ts";
import { until } from "../../test/until.ts";
import { DataFolder } from "../kernel/config/data-folder.ts";

const quiet = {
  BUSBAR_HOST: "127.0.0.1",
  BUSBAR_HTTP_PORT: "0",
  BUSBAR_HTTPS_PORT: "0",
  BUSBAR_EXTRA_HTTP_PORTS: "",
  BUSBAR_MQTT_PORT: "0",
};

test("an empty folder is enough: it starts, answers, and ends with exit code 0", async () => {
  using folder = temporaryFolder();
  await using server = await startBusbar({ folder: folder.path, env: quiet });
  expect(server.output.out).toContain("Busbar");
  expect(server.output.out).toMatch(/SQLite .*busbar\.db/);
  expect(server.output.out).toMatch(/without an account/);
  expect(server.output.out).toMatch(/superuser.*http:\/\/\S+\/setup\?token=\S+/);
  expect((await fetch(server.url)).status).toBe(200);
  expect(await server.end("SIGTERM")).toBe(0);
});

test("Ctrl-C ends it likewise, twice within moments too", async () => {
  using folder = temporaryFolder();
  await using server = await startBusbar({ folder: folder.path, env: quiet });
  server.process.kill("SIGINT");
  expect(await server.end("SIGINT")).toBe(0);
});

test("a second server on the same folder is refused, one after kill -9 is not", async () => {
  using folder = temporaryFolder();
  await using first = await startBusbar({ folder: folder.path, env: quiet });
  const second = await busbar(["serve"], { folder: folder.path, env: quiet });
  expect(second).toMatchObject({ code: 2, err: expect.stringContaining("is in use by process") });
  await first.end("SIGKILL");
  await using third = await startBusbar({ folder: folder.path, env: quiet });
  expect((await fetch(third.url)).status).toBe(200);
});

test("a superuser made on the command line can use the running server", async () => {
  using folder = temporaryFolder();
  await using server = await startBusbar({ folder: folder.path, env: quiet });
  const options = { folder: folder.path, env: quiet };
  await busbar(["user", "add", "me", "--superuser"], { ...options, input: "a long enough one 7" });
  const { out } = await busbar(["token", "create", "--user", "me"], options);
  const headers = { authorization: `Bearer ${out.trim().split(" ").at(-1)}` };
  await until(
    "the token to count",
    async () => (await fetch(`${server.url}/users/`, { headers })).status === 200,
  );
});

test("a taken HTTP port is one line that names the variable", async () => {
  using folder = temporaryFolder();
  const port = await freePort();
  await using taken = createServer().listen(port, "127.0.0.1");
  await until("the port to be taken", () => taken.listening);
  const env = { ...quiet, BUSBAR_HTTP_PORT: String(port) };
  const { code, err } = await busbar(["serve"], { folder: folder.path, env });
  expect(code).toBe(2);
  const line = err.split("\n").find((text) => text.includes("BUSBAR_HTTP_PORT"));
  expect(line).toContain(String(port));
  // Nothing is left behind that would keep the next start out.
  using lock = DataFolder.open(join(folder.path, "data")).lock();
  expect(lock).toBeDefined();
});

test("migrate brings an empty database up to date, once", async () => {
  using folder = temporaryFolder();
  const first = await busbar(["migrate"], { folder: folder.path });
  expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^done: \w+\/0001-/) });
  const second = await busbar(["migrate"], { folder: folder.path });
  expect(second).toMatchObject({ code: 0, out: expect.stringMatching(/^SQLite \S+ is up to date\.\n$/) });
});

test("doctor asks the running server how it is", async () => {
  using folder = temporaryFolder();
  const env = { ...quiet, BUSBAR_HTTP_PORT: String(await freePort()) };
  await using server = await startBusbar({ folder: folder.path, env });
  const { code, out } = await busbar(["doctor"], { folder: folder.path, env });
  expect(out).toContain(
    `ok    server: it runs, and ${server.url.replace("localhost", "127.0.0.1")}/readyz answers 200`,
  );
  expect(out).toMatch(/^ok {4}database: SQLite \S+ answers$/m);
  expect(code).toBe(0);
});
