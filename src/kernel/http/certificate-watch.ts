import { createPrivateKey, X509Certificate } from "node:crypto";
import { unwatchFile, watchFile } from "node:fs";
import { readFile } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Certificate } from "./certificate.ts";

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Polled: renewal tools replace files by rename or by link, which notifications of the file system miss. */
const pollMs = 1000;

/**
 * Calls `use` with the new pair whenever the files change and hold one. Between the writing of the two they do not fit
 * each other: the old pair stays until they do.
 */
export function watchCertificate(
  files: CertificateFiles,
  use: (certificate: Certificate) => void,
  log: Log,
): Disposable {
  const changed = () => {
    reload(files, use).then(
      () => log.info({ certificate: files.certFile }, "the HTTPS certificate was read again"),
      (error: unknown) =>
        log.warn(
          { certificate: files.certFile, reason: messageOf(error) },
          "the changed HTTPS certificate cannot be used; the one before stays",
        ),
    );
  };
  const paths = [files.certFile, files.keyFile];
  for (const path of paths) watchFile(path, { interval: pollMs, persistent: false }, changed);
  return {
    [Symbol.dispose]: () => {
      for (const path of paths) unwatchFile(path, changed);
    },
  };
}

async function reload(files: CertificateFiles, use: (certificate: Certificate) => void): Promise<void> {
  const [cert, key] = await Promise.all([readFile(files.certFile, "utf8"), readFile(files.keyFile, "utf8")]);
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error("the key does not belong to the certificate");
  use({ cert, key });
}
