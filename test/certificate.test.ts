import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { generate } from "selfsigned";
import { expect, test } from "vitest";
import { startTestApp } from "./app.ts";
import { freePort, temporaryFolder } from "./services/service.ts";
import { until } from "./until.ts";

async function makePair(name: string): Promise<{ cert: string; key: string; fingerprint: string }> {
  const made = await generate([{ name: "commonName", value: name }], { keyType: "ec", curve: "P-256" });
  return { cert: made.cert, key: made.private, fingerprint: new X509Certificate(made.cert).fingerprint256 };
}

function servedFingerprint(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on("error", reject);
  return promise;
}

test("a renewed certificate is served without a restart; one that does not fit its key is not", async () => {
  using folder = temporaryFolder();
  const certFile = join(folder.path, "cert.pem");
  const keyFile = join(folder.path, "key.pem");
  const [first, second] = [await makePair("first.example"), await makePair("second.example")];
  writeFileSync(certFile, first.cert);
  writeFileSync(keyFile, first.key);
  const port = await freePort();
  await using _app = await startTestApp({
    env: { BUSBAR_HTTPS_PORT: String(port), SSL_CERT_PEM: certFile, SSL_KEY_PEM: keyFile },
  });
  expect(await servedFingerprint(port)).toBe(first.fingerprint);
  writeFileSync(certFile, second.cert);
  expect(await servedFingerprint(port)).toBe(first.fingerprint);
  writeFileSync(keyFile, second.key);
  await until("the second certificate", async () => (await servedFingerprint(port)) === second.fingerprint);
});
