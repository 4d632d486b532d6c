import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { describe, expect, inject, test } from "vitest";
import { busbar } from "../../test/busbar.ts";
import { startMosquitto } from "../../test/services/mosquitto.ts";
import { freePort, temporaryFolder } from "../../test/services/service.ts";
import { until } from "../../test/until.ts";
import { DataFolder } from "../kernel/config/data-folder.ts";
import { configurationTable } from "../kernel/config/variables.ts";

describe("the command line", () => {
  test("lists its commands, and explains each", async () => {
    using folder = temporaryFolder();
    const overview = await busbar(["--help"], { folder: folder.path });
    expect(overview).toMatchObject({ code: 0, err: "" });
    const commands = [...overview.out.matchAll(/^ {2}(\S+(?: \S+)?) {2,}/gm)].map((match) => match[1] ?? "");
    expect(commands).toContain("config print");
    for (const command of commands) {
      const help = await busbar([...command.split(" "), "--help"], { folder: folder.path });
      expect(help).toMatchObject({
        code: 0,
        err: "",
        out: expect.stringContaining(`Usage: busbar ${command}`),
      });
    }
  });

  test.each([
    [["nonsense"], "busbar nonsense: there is no such command"],
    [["config", "print", "--nope"], "busbar config print: Unknown option '--nope'"],
    [["config", "print", "more"], "busbar config print: it takes no arguments"],
  ])("%j ends with one line and exit code 2", async (args, line) => {
    using folder = temporaryFolder();
    const { code, out, err } = await busbar(args, { folder: folder.path });
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^[^\n]+\n$/);
    expect(err).toContain(line);
  });

  test("another Node.js is refused in one line", async () => {
    const main = readFileSync(new URL("../main.ts", import.meta.url), "utf8");
    // Only the pinned version is at hand, so the wish is changed instead.
    using folder = temporaryFolder();
    const file = join(folder.path, "main.ts");
    writeFileSync(
      file,
      main
        .replace("wanted = 26", "wanted = 99")
        .replace("./kernel/errors.ts", new URL("../kernel/errors.ts", import.meta.url).href),
    );
    const { status, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Busbar needs Node\.js 99 and was started with 26\.[^\n]+\n$/);
  });
});

describe("config", () => {
  test("print shows values, origins and no secrets", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, ".env"), "MQTT_BROKER_PASSWORD=hidden\nBUSBAR_HTTP_PORT=9000\n");
    const { code, out } = await busbar(["config", "print"], { folder: folder.path });
    expect(code).toBe(0);
    expect(out).toContain("BUSBAR_HTTP_PORT=9000  # .env");
    expect(out).toContain("MQTT_BROKER_PASSWORD=********  # .env");
    expect(out).not.toContain("hidden");
  });

  test("the README holds the table of all variables", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    expect(readme, "run: npm run config:table").toContain(configurationTable());
  });
});

describe("a start that cannot be", () => {
  test("an unknown variable is one line", async () => {
    using folder = temporaryFolder();
    const env = { BUSBAR_HTTP_PROT: "1" };
    const { code, err } = await busbar(["serve"], { folder: folder.path, env });
    expect(code).toBe(2);
    expect(err).toBe(
      "BUSBAR_HTTP_PROT (environment) is not a variable of Busbar; did you mean BUSBAR_HTTP_PORT?\n",
    );
  });

  test("a data folder in use is one line", async () => {
    using folder = temporaryFolder();
    using _lock = DataFolder.open(join(folder.path, "data")).lock();
    const { code, err } = await busbar(["serve"], { folder: folder.path });
    expect(code).toBe(2);
    expect(err).toMatch(/^The data folder \S+ is in use by process \d+; stop it or set BUSBAR_DATA_DIR/);
  });
});

describe("doctor", () => {
  test("finds nothing to mend on an empty folder with free ports", async () => {
    using folder = temporaryFolder();
    const { code, out } = await busbar(["doctor"], { folder: folder.path, env: await freePorts() });
    expect(
      out.split("\n").filter((line) => !/^(ok|warn) /.test(line) && !line.startsWith("      -> ")),
    ).toEqual([""]);
    expect(code).toBe(0);
  });

  test("names the taken port and the variable", async () => {
    using folder = temporaryFolder();
    const env = await freePorts();
    await using taken = createServer().listen(Number(env.BUSBAR_HTTP_PORT), "0.0.0.0");
    await until("the port to be taken", () => taken.listening);
    const { code, out } = await busbar(["doctor"], { folder: folder.path, env });
    expect(code).toBe(1);
    expect(out).toContain(`fail  port ${env.BUSBAR_HTTP_PORT} (BUSBAR_HTTP_PORT): taken`);
  });

  test("says that the database cannot be reached, without its password", async () => {
    using folder = temporaryFolder();
    const env = { ...(await freePorts()), DATABASE_URL: "postgres://u:hidden@127.0.0.1:1/x" };
    const { code, out } = await busbar(["doctor"], { folder: folder.path, env });
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {2}database: .*ECONNREFUSED/m);
    expect(out).not.toContain("hidden");
  });

  test.skipIf(!inject("mosquitto"))("warns of a stock Mosquitto that drops messages", async () => {
    await using broker = await startMosquitto({ config: "sys_interval 1\n" });
    using folder = temporaryFolder();
    const env = {
      ...(await freePorts()),
      MQTT_BROKER_HOST: "127.0.0.1",
      MQTT_BROKER_PORT: String(broker.port),
    };
    const before = await busbar(["doctor"], { folder: folder.path, env });
    expect(before.out).toMatch(/^ok {4}MQTT broker: \S+, mosquitto version \S+; no message dropped/m);
    await overflow(broker.port);
    await until("the broker to count its drops", async () => {
      const { out } = await busbar(["doctor"], { folder: folder.path, env });
      return /^warn {2}MQTT broker: .*it has dropped \d+ messages.*\n.*deploy\/mosquitto\.conf/m.test(out);
    });
  });

  test("says that the broker cannot be reached", async () => {
    using folder = temporaryFolder();
    const env = { ...(await freePorts()), MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: "1" };
    const { code, out } = await busbar(["doctor"], { folder: folder.path, env });
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {2}MQTT broker: 127\.0\.0\.1:1: .*ECONNREFUSED/m);
  });
});

async function freePorts() {
  const [http, https, extra, mqtt] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  return {
    BUSBAR_HTTP_PORT: String(http),
    BUSBAR_HTTPS_PORT: String(https),
    BUSBAR_EXTRA_HTTP_PORTS: String(extra),
    BUSBAR_MQTT_PORT: String(mqtt),
  };
}

/** More messages for a subscriber that is away than a stock Mosquitto keeps (1000). */
async function overflow(port: number): Promise<void> {
  const away = await connectAsync({ host: "127.0.0.1", port, clientId: "away", clean: false });
  await away.subscribeAsync("x", { qos: 1 });
  await away.endAsync();
  const publisher = await connectAsync({ host: "127.0.0.1", port });
  await Promise.all(Array.from({ length: 1_500 }, () => publisher.publishAsync("x", "1", { qos: 1 })));
  await publisher.endAsync();
}
