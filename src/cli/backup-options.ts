import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseDay, yesterday } from "../backup/days.ts";
import { CannotBegin, type ExitCode, exitCodes, type Report, type Settings } from "../backup/run.ts";
import type { TargetSettings } from "../backup/target.ts";
import { messageOf, OperatorError } from "../kernel/errors.ts";
import type { Options, Values } from "./command.ts";
import { askHidden, type Io } from "./io.ts";

/** As the existing script has them, and a few more. */
export const backupOptions = {
  "target-url": {
    type: "string",
    short: "t",
    value: "URL",
    description: "The server, like https://site:8443",
  },
  username: { type: "string", short: "u", value: "NAME", description: "Whom to sign in as; default nobody" },
  password: {
    type: "string",
    short: "p",
    value: "TEXT",
    description: "Its password; others can see it in `ps`",
  },
  "password-file": { type: "string", value: "PATH", description: "The password is in this file" },
  "token-file": { type: "string", value: "PATH", description: "In place of name and password, an API token" },
  "start-date": { type: "string", short: "s", value: "DATE", description: "First day, UTC, like 2026-08-01" },
  "end-date": { type: "string", short: "e", value: "DATE", description: "Last day; default yesterday" },
  "data-directory": {
    type: "string",
    short: "d",
    value: "PATH",
    description: "Where the files are; default here",
  },
  "worker-process-number": { type: "string", short: "w", value: "NUMBER", description: "At once; default 4" },
  ca: { type: "string", value: "PATH", description: "Certificate to trust, like the server's own" },
  insecure: { type: "boolean", description: "Any certificate will do" },
} as const satisfies Options;

export const restoreOptions = {
  ...backupOptions,
  yes: { type: "boolean", short: "y", description: "Do not ask" },
  "force-datapoint-creation": {
    ...{ type: "boolean", short: "f" },
    description: "Create connectors and datapoints that are missing",
  },
} as const satisfies Options;

export const exitNotes = [
  "Exit codes: 0 all done; 1 no such folder, or no backup in it; 2 wrong options, or the server does not answer",
  "200; 3 signing in failed, a right is missing, or the answer was no; 4 something could not be done, as the lines",
  "say; 5 ended by a signal. After 4 and 5 the same command goes on where it ended.",
];

type BackupValues = Values<typeof backupOptions>;

export async function settingsFrom(values: BackupValues, io: Io): Promise<Settings> {
  const start = values["start-date"];
  if (start === undefined) throw new OperatorError("--start-date is missing.");
  const end = values["end-date"];
  const first = parseDay("--start-date", start);
  const last = end === undefined ? yesterday(Date.now()) : parseDay("--end-date", end);
  if (last < first) throw new OperatorError(`--end-date ${last}: it is before the start date ${first}.`);
  return {
    folder: resolve(io.folder, values["data-directory"] ?? "."),
    first,
    last,
    threads: threadsFrom(values["worker-process-number"] ?? "4"),
    target: await targetFrom(values, io),
  };
}

const mostThreads = 64;

function threadsFrom(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= mostThreads) return count;
  throw new OperatorError(`--worker-process-number ${text}: it must be a number from 1 to ${mostThreads}.`);
}

async function targetFrom(values: BackupValues, io: Io): Promise<TargetSettings> {
  const url = values["target-url"];
  if (url === undefined) throw new OperatorError("--target-url is missing.");
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new OperatorError(`--target-url ${url}: it must begin with http:// or https://.`);
  if (parsed.username !== "" || parsed.password !== "")
    throw new OperatorError("--target-url: name and password belong into --username and --password-file.");
  const authorization = await authorizationFrom(values, io);
  return {
    url: url.replace(/\/+$/, ""),
    insecure: values.insecure ?? false,
    ...(authorization === undefined ? {} : { authorization }),
    ...(values.ca === undefined ? {} : { ca: contentOf("--ca", values.ca, io) }),
  };
}

async function authorizationFrom(values: BackupValues, io: Io): Promise<string | undefined> {
  const { username } = values;
  const token = values["token-file"];
  if (token !== undefined) return `Bearer ${contentOf("--token-file", token, io).trim()}`;
  if (username === undefined) return undefined;
  const file = values["password-file"];
  const password =
    values.password ??
    (file === undefined
      ? await askPassword(username, io)
      : contentOf("--password-file", file, io).replace(/\r?\n$/, ""));
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function askPassword(username: string, io: Io): Promise<string> {
  if (!io.stdin.isTTY) throw new OperatorError("--username needs --password or --password-file.");
  const [password = ""] = await askHidden([`Password for ${username}: `], io.stdin);
  return password;
}

function contentOf(option: string, file: string, io: Io): string {
  try {
    return readFileSync(resolve(io.folder, file), "utf8");
  } catch (error) {
    throw new OperatorError(`${option}: ${messageOf(error)}`);
  }
}

const betweenLinesMs = 10_000;

/** A bar on a terminal, a line every ten seconds elsewhere. */
export function reportTo(io: Io, what: string): Report {
  let stopping = false;
  let lastLine = performance.now();
  void io.stopRequested().then((signal) => {
    stopping = true;
    io.note(`${signal}: what has begun is finished; a second one ends at once.`);
  });
  const plain = (write: (line: string) => void) => (text: string) => {
    io.status?.("");
    write(text);
  };
  return {
    line: plain(io.out),
    note: plain(io.note),
    stopping: () => stopping,
    progress: (done, total) => {
      if (io.status) return io.status(done === total ? "" : `${bar(done / total)} ${share(done, total)}`);
      if (performance.now() - lastLine < betweenLinesMs && done < total) return undefined;
      lastLine = performance.now();
      return io.out(`${what}: ${share(done, total)}`);
    },
  };
}

const width = 30;
const bar = (part: number): string => {
  const full = Math.floor(part * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}]`;
};

const share = (done: number, total: number): string =>
  `${Math.floor((100 * done) / total)} %, ${done.toLocaleString("en")} of ${total.toLocaleString("en")} files`;

/** The exit code of the work; what kept it from beginning is one line. */
export async function ended(work: Promise<ExitCode>, io: Io): Promise<ExitCode> {
  try {
    const code = await work;
    if (code === exitCodes.stopped) io.note("Not finished: the same command goes on from here.");
    return code;
  } catch (error) {
    if (!(error instanceof CannotBegin)) throw error;
    io.status?.("");
    io.note(error.message);
    return error.exitCode;
  }
}
