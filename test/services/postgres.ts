import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync } from "node:fs";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { findService } from "./programs.ts";
import { freePort, Service } from "./service.ts";

export interface Postgres extends AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  /** Of the server process; for tests that kill it. */
  readonly pid: number;
  /** Connection URL of a superuser for that database; `postgres` is the one that always exists. */
  url(database: string): string;
  /** URL of a new, empty database. */
  createDatabase(): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port with the same data after `end`. */
  start(): Promise<void>;
  /** Ends the server, data kept. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface PostgresOptions {
  /** Default false: quick, and only right where no crash is tested and no speed is measured. */
  readonly fsync?: boolean;
}

/** A cluster of our own in a temporary folder, on a free port of 127.0.0.1. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const program = findService("postgres");
  if (program === undefined) throw new Error("PostgreSQL is not installed");
  const service = new Service("postgres", { signal: "QUIT" });
  const port = await freePort();
  const data = join(service.dir, "data");
  const account = databaseAccount();
  if (account.uid !== undefined && account.gid !== undefined)
    chownSync(service.dir, account.uid, account.gid);
  const environment = { ...account, cwd: service.dir, env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" } };
  const initdb = [
    "-D",
    data,
    "-A",
    "trust",
    "-U",
    "postgres",
    "--no-sync",
    "-E",
    "UTF8",
    "--no-instructions",
  ];
  execFileSync(join(dirname(program), "initdb"), [...initdb, "--locale=C.UTF-8"], {
    ...environment,
    stdio: "pipe",
  });

  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const args = ["-D", data, ...settings(port, service.dir, options.fsync ?? false)];
  const start = () => service.start(program, args, () => answers(url("postgres")), environment);
  await start();
  const stop = (signal: NodeJS.Signals = "SIGQUIT") => service.dispose(signal);
  return {
    port,
    dir: service.dir,
    get pid() {
      return service.pid ?? 0;
    },
    url,
    createDatabase: () => createDatabase(url("postgres")),
    start,
    end: (signal) => service.end(signal),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

/** Makes a new, empty database beside the one of `adminUrl` and returns its URL. */
export async function createDatabase(adminUrl: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await command(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Removes a database made by `createDatabase`, whoever is still connected. */
export async function dropDatabase(adminUrl: string, url: string): Promise<void> {
  await command(adminUrl, `drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
}

async function command(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  await command(url, "select 1");
  return true;
}

/** PostgreSQL refuses to run as root; Debian's package brings an account for it. */
function databaseAccount(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function settings(port: number, dir: string, fsync: boolean): string[] {
  const pairs = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: dir,
    max_connections: "200",
    fsync: fsync ? "on" : "off",
    full_page_writes: fsync ? "on" : "off",
  };
  return Object.entries(pairs).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
