import { describe, expect, it } from "vitest";
import { startTestApp } from "../../test/app.ts";
import { busbar, startBusbar } from "../../test/busbar.ts";
import { freePort, temporaryFolder } from "../../test/services/service.ts";
import { until } from "../../test/until.ts";

async function startDemo(folder: string, mqttPort: number) {
  const env = {
    BUSBAR_HOST: "127.0.0.1",
    BUSBAR_HTTP_PORT: "0",
    BUSBAR_HTTPS_PORT: "0",
    BUSBAR_EXTRA_HTTP_PORTS: "",
    BUSBAR_MQTT_PORT: String(mqttPort),
    // A demo must not touch what the operator has configured.
    DATABASE_URL: "postgres://nobody:nothing@127.0.0.1:1/none",
    MQTT_BROKER_HOST: "127.0.0.1",
    MQTT_BROKER_PORT: "1",
  };
  const running = await startBusbar({ folder, env }, ["demo", "--days", "2", "--every", "0.2"]);
  await until("the site", () => running.output.out.includes("Ctrl-C"));
  return running;
}

const signIn = /Sign in as (\S+) with the password (\S+)/;

describe("busbar demo", () => {
  it("runs a server with data to look at, ends on Ctrl-C, and knows its user the next time", async () => {
    using folder = temporaryFolder();
    const port = await freePort();
    await using first = await startDemo(folder.path, port);
    const [, name, password] = signIn.exec(first.output.out) ?? [];
    expect(name).toBe("demo");
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
    const [, path] = /'http:\/\/[^/]+(\/datapoint\/\d+\/value\/[^']*)'/.exec(first.output.out) ?? [];
    const response = await fetch(`${first.url}${path}`, { headers: { authorization } });
    expect(response.status).toBe(200);
    expect(((await response.json()) as unknown[]).length).toBeGreaterThanOrEqual(2);
    expect(await first.end("SIGINT")).toBe(0);
    expect(first.output.err).toBe("");
    await using second = await startDemo(folder.path, port);
    expect(signIn.exec(second.output.out)?.[2]).toBe(password);
    expect(await second.end("SIGINT")).toBe(0);
  });

  it("runs the site alone against a server, with a token", async () => {
    using folder = temporaryFolder();
    await using app = await startTestApp({ broker: "embedded" });
    const { token } = await app.json<{ token: string }>("POST", "/tokens/", {
      body: { name: "demo" },
      status: 201,
    });
    const args = ["demo", "--url", app.url, "--mqtt", app.mqttUrl, "--token", token, "--days", "1"];
    await using site = await startBusbar({ folder: folder.path }, [...args, "--name", "other-site"]);
    await until("the site", () => site.output.out.includes("other-site is connected"));
    const datapoints = await app.json<unknown[]>("GET", "/datapoint/?connector__name=other-site");
    expect(datapoints.length).toBeGreaterThan(30);
    expect(await site.end("SIGINT")).toBe(0);
  });

  it.each([
    [["--days", "many"], "--days many: it must be a number"],
    [["--url", "http://127.0.0.1:1"], "--url needs --mqtt and --token too"],
    [["--url", "nothing", "--mqtt", "mqtt://127.0.0.1:1", "--token", "x"], "--url nothing: it must be a URL"],
    [
      ["--url", "http://127.0.0.1:1", "--mqtt", "mqtt://127.0.0.1:1", "--token", "x"],
      "The broker 127.0.0.1:1",
    ],
    [["--name", "a/b"], "--name a/b: a connector's name"],
  ])("%j ends with one line", async (args, line) => {
    using folder = temporaryFolder();
    const { code, err } = await busbar(["demo", ...args], { folder: folder.path });
    expect(code).toBe(2);
    expect(err).toMatch(/^[^\n]+\n$/);
    expect(err).toContain(line);
  });
});
