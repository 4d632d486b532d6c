import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { get as getSecure } from "node:https";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectSecure } from "node:tls";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HttpConfig } from "../config/config.ts";
import { OperatorError } from "../errors.ts";
import { keptCertificate } from "./certificate.ts";
import { answerBrokenRequest } from "./client-errors.ts";
import { rawExchange, type TestHttp, testHttp } from "./fixture.ts";
import { serverOptions } from "./listeners.ts";
import { publicAccess } from "./surface.ts";

let http: TestHttp | undefined;
let folder: string;
const others: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "busbar-http-"));
});

afterEach(async () => {
  await http?.close();
  http = undefined;
  for (const server of others.splice(0)) server.close();
  await rm(folder, { recursive: true });
});

async function start(config: Partial<HttpConfig> = {}) {
  http = await testHttp(config, { dataDir: folder });
  http.app.put("/echo", { config: { access: publicAccess } }, (request) => request.body);
  return http;
}

async function listen(config: Partial<HttpConfig> = {}) {
  const server = await start(config);
  const bound = await server.listen();
  return { server, bound, port: bound.http.port };
}

/** A port that something else listens on, and one that nothing does. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  others.push(server);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

async function freePort(): Promise<number> {
  const port = await takenPort();
  const server = others.pop();
  server?.close();
  if (server) await once(server, "close");
  return port;
}

const secure = async (port: number, path = "/version") => {
  const [answer] = await once(
    getSecure({ port, path, host: "127.0.0.1", rejectUnauthorized: false }),
    "response",
  );
  return { status: answer.statusCode, body: await text(answer) };
};

const certificateAt = async (port: number): Promise<X509Certificate> => {
  const socket = connectSecure({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  if (!certificate) throw new Error("no certificate");
  return certificate;
};

describe("plain HTTP", () => {
  it("answers an HTTP/1.0 client with a length, unchunked, and closes", async () => {
    const { port } = await listen();
    const body = '{"token":"x","device_id":"esp","device_desc":"a"}';
    const head = `PUT /echo HTTP/1.0\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\nContent-Length: ${body.length}`;
    const answer = await rawExchange(port, `${head}\r\n\r\n${body}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.toLowerCase()).toContain(`content-length: ${body.length}`);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(answer.toLowerCase()).not.toContain("transfer-encoding");
    expect(answer.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  it.each([
    ["HTTP/1.0", ""],
    ["HTTP/1.1", "Connection: close\r\n"],
  ])("does without a Host header in %s", async (version, headers) => {
    const { port } = await listen();
    expect(await rawExchange(port, `GET /livez ${version}\r\n${headers}\r\n`)).toContain(" 200 OK");
  });

  it("takes a target in absolute form, and OPTIONS for the server as a whole without a fault", async () => {
    const { port } = await listen();
    const end = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    expect(await rawExchange(port, `GET http://localhost/version?x=1 ${end}`)).toContain('"name":"busbar"');
    expect(await rawExchange(port, `GET http://localhost ${end}`)).toContain('"links"');
    expect(await rawExchange(port, `OPTIONS * ${end}`)).toMatch(/^HTTP\/1\.1 (?:204|404) /);
    expect(await rawExchange(port, `TRACE /version ${end}`)).toContain(" 405 ");
  });

  it.each([
    ["nonsense\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: x\r\nX: \u0001\r\n\r\n", 400],
    [`GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431],
    [
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ])("answers what is not HTTP as a problem (%#)", async (request, status) => {
    const { port } = await listen();
    const answer = await rawExchange(port, request);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain("application/problem+json");
    expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({ status });
  });

  it("keeps serving when a client leaves in the middle of its body", async () => {
    const { port } = await listen();
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(
      "PUT /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    );
    socket.destroy();
    await once(socket, "close");
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  });
});

describe("slow clients", () => {
  it("are answered 408 and dropped when the head or the body does not arrive in time", async () => {
    const limits = { headersTimeout: 60, requestTimeout: 120, connectionsCheckingInterval: 20 };
    const server = createHttpServer({ ...serverOptions, ...limits }, (request) => request.resume());
    server.on("clientError", answerBrokenRequest);
    others.push(server.listen(0, "127.0.0.1"));
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const beginnings = [
      "GET / HTTP/1.1\r\nHost: a",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
    ];
    const answers = await Promise.all(beginnings.map((beginning) => rawExchange(port, beginning)));
    for (const answer of answers) expect(answer).toContain("HTTP/1.1 408 ");
  });
});

describe("ports", () => {
  it("serves the same on extra ports; one that is taken is a line in the log", async () => {
    const [extra, taken] = [await freePort(), await takenPort()];
    const { server, bound } = await listen({ extraPorts: [extra, taken] });
    expect(bound.extra).toEqual([{ host: "127.0.0.1", port: extra }]);
    expect((await fetch(`http://127.0.0.1:${extra}/version`)).status).toBe(200);
    const warnings = server.logged.filter((line) => JSON.parse(line).level === 40);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`BUSBAR_EXTRA_HTTP_PORTS: port ${taken} is taken`);
  });

  it("stops at a taken HTTP port with one line that names variable, port and owner", async () => {
    const taken = await takenPort();
    const server = await start({ port: taken });
    const failure = await server.listen().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OperatorError);
    const line = (failure as OperatorError).message;
    expect(line).toContain(`BUSBAR_HTTP_PORT: port ${taken} is taken`);
    if (process.platform === "linux") expect(line).toContain(`(pid ${process.pid})`);
    expect(line).not.toContain("\n");
  });

  it("names the HTTPS port, and lets go of the others", async () => {
    const [taken, port] = [await takenPort(), await freePort()];
    const server = await start({ port, httpsPort: taken });
    await expect(server.listen()).rejects.toThrow(`BUSBAR_HTTPS_PORT: port ${taken} is taken`);
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  });

  it("names an address the machine does not have", async () => {
    const server = await start({ host: "203.0.113.1" });
    await expect(server.listen()).rejects.toThrow("BUSBAR_HOST: this machine has no address 203.0.113.1");
  });
});

describe("HTTPS", () => {
  it("makes a certificate once, for this machine, readable by the owner only", async () => {
    const httpsPort = await freePort();
    const { server } = await listen({ httpsPort });
    expect((await secure(httpsPort)).status).toBe(200);
    const certificate = await certificateAt(httpsPort);
    for (const name of ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"]) {
      expect(certificate.subjectAltName).toContain(name);
    }
    const serverAuthentication = "1.3.6.1.5.5.7.3.1";
    expect(certificate.keyUsage).toEqual([serverAuthentication]);
    expect(certificate.ca).toBe(false);
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
    expect(days).toBeLessThanOrEqual(825);
    const key = await stat(join(folder, "tls", "self-signed-key.pem"));
    expect(key.mode & 0o777).toBe(0o600);
    await server.close();
    await listen({ httpsPort });
    expect((await certificateAt(httpsPort)).fingerprint256).toBe(certificate.fingerprint256);
  });

  it("uses a given certificate, and another one while it runs", async () => {
    const log = pino({ level: "silent" });
    const [first, second] = [await keptCertificate(undefined, log), await keptCertificate(undefined, log)];
    const httpsPort = await freePort();
    const { server } = await listen({ httpsPort, certificate: first });
    const fingerprint = (cert: string) => new X509Certificate(cert).fingerprint256;
    expect((await certificateAt(httpsPort)).fingerprint256).toBe(fingerprint(first.cert));
    server.reloadCertificate(second);
    expect((await certificateAt(httpsPort)).fingerprint256).toBe(fingerprint(second.cert));
  });

  it("says which variables hold a certificate that cannot be used", async () => {
    const server = await start({ httpsPort: await freePort(), certificate: { cert: "x", key: "y" } });
    await expect(server.listen()).rejects.toThrow("SSL_CERT_PEM / SSL_KEY_PEM");
  });
});

describe("a stop", () => {
  it("ends running requests, accepts no new ones and closes idle connections", async () => {
    const server = await start();
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    server.app.get("/slow", { config: { access: publicAccess } }, async () => {
      started.resolve();
      await release.promise;
      return { done: true };
    });
    const { http: bound } = await server.listen();
    const url = `http://127.0.0.1:${bound.port}`;
    const idle = connect(bound.port, "127.0.0.1");
    idle.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(idle, "data");
    const idleClosed = once(idle, "close");
    const slow = fetch(`${url}/slow`);
    await started.promise;
    const closed = server.close();
    await idleClosed;
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
    release.resolve();
    expect(await (await slow).json()).toEqual({ done: true });
    await closed;
  });

  it("cuts what does not end in time", async () => {
    http = await testHttp({}, { drainMillis: 50 });
    const started = Promise.withResolvers<void>();
    http.app.get("/endless", { config: { access: publicAccess } }, () => {
      started.resolve();
      return new Promise(() => undefined);
    });
    const bound = await http.listen();
    const endless = fetch(`http://127.0.0.1:${bound.http.port}/endless`);
    await started.promise;
    await Promise.all([expect(endless).rejects.toThrow(), http.close()]);
  });
});
