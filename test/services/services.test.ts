import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { describe, expect, inject, test } from "vitest";
import { until } from "../until.ts";
import { startMosquitto } from "./mosquitto.ts";
import { createDatabase, dropDatabase } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { accepts, Service } from "./service.ts";

describe.skipIf(!inject("mosquitto"))("a Mosquitto for a test", () => {
  test("listens on a port of its own, keeps it over a restart, and leaves nothing behind", async () => {
    const broker = await startMosquitto();
    await broker.restart("SIGKILL");
    expect(await accepts(broker.port)).toBe(true);
    await broker.stop();
    expect(await accepts(broker.port)).toBe(false);
    expect(existsSync(broker.dir)).toBe(false);
  });

  test("two run side by side", async () => {
    await using one = await startMosquitto();
    await using two = await startMosquitto({ config: "" });
    expect(one.port).not.toBe(two.port);
  });
});

describe.skipIf(!inject("redis"))("a Redis for a test", () => {
  test("answers until it is stopped", async () => {
    const redis = await startRedis();
    expect(await accepts(redis.port)).toBe(true);
    await redis.stop();
    expect(await accepts(redis.port)).toBe(false);
  });
});

const adminUrl = inject("postgres");
describe.skipIf(adminUrl === null)("the run's PostgreSQL", () => {
  test("gives each test a database of its own", async () => {
    const one = await createDatabase(adminUrl ?? "");
    const two = await createDatabase(adminUrl ?? "");
    expect(one).not.toBe(two);
    await dropDatabase(adminUrl ?? "", one);
    await dropDatabase(adminUrl ?? "", two);
  });
});

test("a service that does not start says why", async () => {
  const service = new Service("broken");
  const started = service.start("sh", ["-c", "echo no such option; exit 3"], async () => false);
  await expect(started).rejects.toThrow("no such option");
  await service.dispose("SIGTERM");
});

test("a service ends and its folder goes when the test process is killed", async () => {
  const code = `
    import { Service } from ${JSON.stringify(new URL("./service.ts", import.meta.url).href)};
    const service = new Service("orphan");
    await service.start("sleep", ["600"], async () => true);
    console.log(JSON.stringify({ pid: service.pid, dir: service.dir }));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(parent.stdout, "data");
  const { pid, dir } = JSON.parse(String(line)) as { pid: number; dir: string };
  parent.kill("SIGKILL");
  await until("the service's end", () => !existsSync(dir) && !alive(pid));
  expect(alive(pid)).toBe(false);
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
