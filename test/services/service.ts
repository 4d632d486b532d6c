import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";

/**
 * Ends the service and removes its folder when this process ends for whatever reason, kill -9 included: it
 * reads process ids from a pipe that only this process holds; at the end of the pipe it cleans up.
 */
const reaperScript = `
while read -r line; do pid=$line; done
if [ -n "$pid" ] && [ "$pid" != 0 ]; then
  kill -"$1" "$pid" 2>/dev/null
  n=0
  while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
  kill -KILL "$pid" 2>/dev/null
fi
[ -n "$2" ] && rm -rf -- "$2"
exit 0
`;

/** A temporary folder with at most one server process at a time in it. */
export class Service {
  readonly dir: string;
  readonly #signal: string;
  readonly #reaper: ChildProcess;
  #child: ChildProcess | undefined;

  /** `dir`: a folder of the caller's, which is then not removed. `signal`: how an interrupted run ends the process. */
  constructor(name: string, options: { readonly dir?: string; readonly signal?: "QUIT" | "KILL" } = {}) {
    this.dir = options.dir ?? mkdtempSync(join(tmpdir(), `busbar-${name}-`));
    this.#signal = options.signal ?? "KILL";
    const removed = options.dir === undefined ? this.dir : "";
    // Detached: Ctrl-C in the terminal must not reach it.
    this.#reaper = spawn("sh", ["-c", reaperScript, "reaper", this.#signal, removed], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#reaper.unref();
    const pipe = this.#reaper.stdin;
    if (pipe && "unref" in pipe && typeof pipe.unref === "function") pipe.unref();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the process; resolves when `ready` does not throw and gives true, rejects with the log's end when it exits before. */
  async start(
    program: string,
    args: readonly string[],
    ready: () => Promise<boolean>,
    options: SpawnOptions = {},
  ): Promise<void> {
    const logFile = join(this.dir, "service.log");
    const log = openSync(logFile, "a");
    const child = spawn(program, args, { ...options, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    child.unref();
    let failure: Error | undefined;
    child.once("error", (error) => {
      failure = error;
    });
    this.#tellReaper(child.pid ?? 0);
    await until(
      `${program} to answer`,
      async () => failure !== undefined || !this.running || (await ready()),
    );
    if (failure !== undefined || !this.running) {
      throw new Error(
        `${program} did not start: ${failure?.message ?? readFileSync(logFile, "utf8").slice(-2000)}`,
      );
    }
  }

  /** Resolves when the process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child && this.running) {
      const exited = once(child, "exit");
      child.ref();
      child.kill(signal);
      await exited;
    }
    this.#tellReaper(0);
  }

  /** Ends the process and removes the folder. */
  async dispose(signal: NodeJS.Signals): Promise<void> {
    await this.end(signal);
    if (this.#reaper.exitCode !== null) return;
    const exited = once(this.#reaper, "exit");
    this.#reaper.ref();
    this.#reaper.stdin?.end();
    await exited;
  }

  #tellReaper(pid: number): void {
    this.#reaper.stdin?.write(`${pid}\n`);
  }
}

/** A port on 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Whether somebody accepts connections on the port. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A new temporary folder which `using` removes. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "busbar-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
