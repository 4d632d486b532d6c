import { X509Certificate } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import type { Log } from "../observe/log.ts";

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Browsers and Apple's systems refuse certificates valid for longer. */
const validDays = 825;
const dayMillis = 86_400_000;
/** Made anew when less than this is left. */
const renewBeforeDays = 30;

/**
 * The self-signed pair in `<dataDir>/tls/`, made once (and again shortly before it ends). Without `dataDir`
 * it is not kept.
 */
export async function keptCertificate(dataDir: string | undefined, log: Log): Promise<Certificate> {
  if (dataDir === undefined) return createCertificate();
  const folder = join(dataDir, "tls");
  const paths = { cert: join(folder, "self-signed-cert.pem"), key: join(folder, "self-signed-key.pem") };
  const kept = await readPair(paths);
  if (kept && isValid(kept.cert)) return kept;
  const made = await createCertificate();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeSecret(paths.key, made.key);
  await writeSecret(paths.cert, made.cert);
  log.info(`made a self-signed certificate, kept in ${paths.cert}`);
  return made;
}

async function readPair(paths: Certificate): Promise<Certificate | undefined> {
  try {
    return { cert: await readFile(paths.cert, "utf8"), key: await readFile(paths.key, "utf8") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isValid(cert: string): boolean {
  try {
    return Date.parse(new X509Certificate(cert).validTo) - Date.now() > renewBeforeDays * dayMillis;
  } catch {
    // Not a certificate any more: the caller makes a new one.
    return false;
  }
}

/** Whole or not at all, readable by the owner only. */
async function writeSecret(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function createCertificate(): Promise<Certificate> {
  const own = hostname();
  const now = Date.now();
  const names = [...new Set(["localhost", own])];
  const made = await generate([{ name: "commonName", value: own.slice(0, 64) }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    // A day back: clocks of devices are often a little behind.
    notBeforeDate: new Date(now - dayMillis),
    notAfterDate: new Date(now + (validDays - 1) * dayMillis),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}
