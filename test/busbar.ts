import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

const program = fileURLToPath(new URL("../bin/busbar", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  /** Working directory: where `.env` and relative paths start. */
  readonly folder: string;
  /** The whole environment but PATH, so that the machine's own variables play no part. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Runs one command line to its end. */
export async function busbar(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const { child, output } = start(args, options);
  child.stdin?.end(options.input ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...output };
}

export interface RunningBusbar extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  readonly output: { readonly out: string; readonly err: string };
  /** URL of the HTTP port, from the start's summary. */
  readonly url: string;
  /** Sends the signal and waits for the end. @returns the exit code, null when a signal ended it */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `busbar serve`, or another command that runs a server, in the folder; resolves when its summary is there. */
export async function startBusbar(
  options: RunOptions,
  args: readonly string[] = ["serve"],
): Promise<RunningBusbar> {
  const { child, output } = start(args, options);
  child.stdin?.end();
  const ended = once(child, "close") as Promise<[number | null]>;
  const running = () => child.exitCode === null && child.signalCode === null;
  const url = await until("the summary of the start", () => {
    return running() ? /http:\/\/[^\s,)]+/.exec(output.out)?.[0] : "ended";
  });
  if (url === "ended")
    throw new Error(`busbar ${args[0]} ended with ${child.exitCode}: ${output.err}${output.out}`);
  const end = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (running()) child.kill(signal);
    const [code] = await ended;
    return code;
  };
  return {
    process: child,
    output,
    url,
    end,
    [Symbol.asyncDispose]: async () => {
      await end("SIGKILL");
    },
  };
}

function start(args: readonly string[], options: RunOptions) {
  const child = spawn(program, args, {
    cwd: options.folder,
    env: { PATH: process.env["PATH"], ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.out += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.err += text;
  });
  return { child, output };
}
