import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import type { CertificateConfig } from "./config.ts";
import type { Settings } from "./settings.ts";
import type { VariableName } from "./variables.ts";

/** The configured pair, checked to be one; undefined where none is configured. */
export function readCertificate(settings: Settings, folder: string): CertificateConfig | undefined {
  const hasCert = settings.has("SSL_CERT_PEM");
  const hasKey = settings.has("SSL_KEY_PEM");
  if (!hasCert && !hasKey) return undefined;
  if (!hasKey) throw settings.fault("SSL_CERT_PEM", "SSL_KEY_PEM is missing; give both or none");
  if (!hasCert) throw settings.fault("SSL_KEY_PEM", "SSL_CERT_PEM is missing; give both or none");
  const cert = readPem(settings, "SSL_CERT_PEM", folder);
  const key = readPem(settings, "SSL_KEY_PEM", folder);
  checkPair(settings, cert.text, key.text);
  return {
    cert: cert.text,
    key: key.text,
    ...(cert.file && key.file ? { certFile: cert.file, keyFile: key.file } : {}),
  };
}

interface Pem {
  readonly text: string;
  /** Absent where the variable holds the text itself. */
  readonly file?: string;
}

function readPem(settings: Settings, name: VariableName, folder: string): Pem {
  const value = settings.required(name);
  // Some tools can only set one line and write line ends as \n.
  if (value.includes("-----BEGIN")) return { text: value.replaceAll("\\n", "\n") };
  const file = resolve(folder, value);
  try {
    return { text: readFileSync(file, "utf8"), file };
  } catch (error) {
    const secretSafe = error instanceof Error && "code" in error ? String(error.code) : "";
    throw settings.fault(name, `is neither PEM text nor the path of a file that can be read (${secretSafe})`);
  }
}

function checkPair(settings: Settings, cert: string, key: string): void {
  const certificate = attempt(settings, "SSL_CERT_PEM", "is no certificate", () => new X509Certificate(cert));
  const privateKey = attempt(settings, "SSL_KEY_PEM", "is no private key", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw settings.fault("SSL_KEY_PEM", "does not belong to the certificate in SSL_CERT_PEM");
}

function attempt<T>(settings: Settings, name: VariableName, rule: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw settings.fault(name, `${rule}: ${messageOf(error)}`);
  }
}
