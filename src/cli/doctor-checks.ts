import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { existsSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { Config, DatabaseConfig, HttpConfig } from "../kernel/config/config.ts";
import { DataFolder } from "../kernel/config/data-folder.ts";
import { openDatabase } from "../kernel/database/open.ts";
import { messageOf } from "../kernel/errors.ts";
import { portOwner } from "../kernel/http/port-owner.ts";
import { createLog } from "../kernel/observe/log.ts";

export interface Finding {
  readonly status: "ok" | "warn" | "fail";
  readonly subject: string;
  readonly detail: string;
  /** What to do about it. */
  readonly advice?: string;
}

const enoughBytes = 1024 ** 3;

export function checkDataFolder(path: string): Finding {
  const subject = "data folder";
  if (!existsSync(path)) return { status: "ok", subject, detail: `${path} will be made at the first start` };
  try {
    DataFolder.open(path);
  } catch (error) {
    const advice = "give the folder to the account that runs Busbar, or set BUSBAR_DATA_DIR to another one";
    return { status: "fail", subject, detail: messageOf(error), advice };
  }
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const detail = `${path}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free >= enoughBytes) return { status: "ok", subject, detail };
  return { status: "warn", subject, detail, advice: "make room on the disk: writes fail when it is full" };
}

/** Whether a server has the data folder at the moment. */
export function isRunning(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    DataFolder.open(path).lock()[Symbol.dispose]();
    return false;
  } catch {
    return true;
  }
}

interface Port {
  readonly variable: string;
  readonly number: number;
  /** The start goes on without it, or with another one. */
  readonly optional: boolean;
}

function portsOf({ http, mqtt }: Config): readonly Port[] {
  const wanted: Port[] = [
    { variable: "BUSBAR_HTTP_PORT", number: http.port, optional: false },
    { variable: "BUSBAR_HTTPS_PORT", number: http.httpsPort, optional: false },
    ...http.extraPorts.map((number) => ({ variable: "BUSBAR_EXTRA_HTTP_PORTS", number, optional: true })),
    ...(mqtt.kind === "embedded"
      ? [{ variable: "BUSBAR_MQTT_PORT", number: mqtt.port, optional: true }]
      : []),
  ];
  return wanted.filter(({ number }) => number !== 0);
}

export async function checkPorts(config: Config, running: boolean): Promise<readonly Finding[]> {
  if (running) return [await checkRunning(config.http)];
  return Promise.all(portsOf(config).map((port) => checkPort(config.http.host, port)));
}

async function checkPort(host: string, { variable, number, optional }: Port): Promise<Finding> {
  const subject = `port ${number} (${variable})`;
  const server = createServer();
  try {
    await once(server.listen(number, host), "listening");
    server.close();
    await once(server, "close");
    return { status: "ok", subject, detail: "free" };
  } catch (error) {
    const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    const owner = taken ? await portOwner(number) : undefined;
    const detail = taken ? `taken${owner === undefined ? "" : ` by ${owner}`}` : messageOf(error);
    const advice = `${taken ? "stop that program or " : ""}set ${variable} to another port`;
    return { status: optional ? "warn" : "fail", subject, detail, advice };
  }
}

/** The running server says itself how it is. */
async function checkRunning(http: HttpConfig): Promise<Finding> {
  const subject = "server";
  const host = ["0.0.0.0", "::"].includes(http.host) ? "127.0.0.1" : http.host;
  try {
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${http.port}/readyz`;
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const detail = `it runs, and ${url} answers ${response.status}: ${(await response.text()).slice(0, 500)}`;
    return { status: response.ok ? "ok" : "fail", subject, detail };
  } catch (error) {
    return { status: "warn", subject, detail: `it runs, but does not answer: ${messageOf(error)}` };
  }
}

export async function checkDatabase(config: DatabaseConfig): Promise<readonly Finding[]> {
  const subject = "database";
  if (config.engine === "sqlite" && !existsSync(config.file)) {
    const where = existsSync(dirname(config.file)) ? "" : ", with its folder,";
    return [
      { status: "ok", subject, detail: `SQLite ${config.file}${where} will be made at the first start` },
    ];
  }
  try {
    await using database = await openDatabase(config, createLog("silent"));
    await database.ping();
    return [{ status: "ok", subject, detail: `${database.description} answers` }];
  } catch (error) {
    const advice =
      config.engine === "sqlite"
        ? "look at the file's owner and at the disk; a foreign file is never touched"
        : "look at host, port, user and password in the database variables (busbar config print)";
    return [{ status: "fail", subject, detail: messageOf(error), advice }];
  }
}

const day = 24 * 60 * 60 * 1000;

export function checkCertificate({ certificate, httpsPort }: HttpConfig): readonly Finding[] {
  if (certificate === undefined || httpsPort === 0) return [];
  const { validToDate } = new X509Certificate(certificate.cert);
  const days = Math.floor((validToDate.getTime() - Date.now()) / day);
  const detail = `the certificate ends on ${validToDate.toISOString().slice(0, 10)}`;
  if (days >= 21) return [{ status: "ok", subject: "HTTPS", detail }];
  const advice = "renew it; Busbar reads changed certificate files by itself";
  return [{ status: days < 0 ? "fail" : "warn", subject: "HTTPS", detail, advice }];
}
