import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type RunningBusbar, startBusbar } from "../test/busbar.ts";
import { temporaryFolder } from "../test/services/service.ts";
import { until } from "../test/until.ts";

const admin = { name: "admin", password: "Correct-horse-9" };
export const basic = `Basic ${Buffer.from(`${admin.name}:${admin.password}`).toString("base64")}`;

/** Milliseconds. */
export interface LoopDelay {
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What a run is asked to be. */
export interface Bench {
  /** Shorter, and less sure. */
  readonly quick: boolean;
  /** Makes an empty PostgreSQL database and gives its URL; absent = SQLite. */
  readonly newDatabase?: () => Promise<string>;
}

/** The server under test: a process of its own with an ordinary configuration, in a folder that goes with it. */
export class BenchServer implements AsyncDisposable {
  readonly #folder: Disposable & { readonly path: string };
  readonly #env: Readonly<Record<string, string>>;
  #running: RunningBusbar | undefined;

  private constructor(env: Readonly<Record<string, string>>) {
    this.#folder = temporaryFolder();
    const probe = new URL("loop-probe.ts", import.meta.url).href;
    this.#env = {
      BUSBAR_DATA_DIR: this.dataFolder,
      BUSBAR_HOST: "127.0.0.1",
      BUSBAR_HTTP_PORT: "0",
      BUSBAR_HTTPS_PORT: "0",
      BUSBAR_EXTRA_HTTP_PORTS: "",
      BUSBAR_MQTT_PORT: "0",
      DJANGO_SUPERUSER_USERNAME: admin.name,
      DJANGO_SUPERUSER_PASSWORD: admin.password,
      LOGLEVEL: "WARNING",
      NODE_OPTIONS: `--import ${probe} ${process.env["BENCH_NODE_OPTIONS"] ?? ""}`.trim(),
      BENCH_LOOP_FILE: this.#loopFile,
      ...env,
    };
  }

  static async start(bench: Bench, env: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
    const url = await bench.newDatabase?.();
    const server = new BenchServer(url === undefined ? env : { ...env, DATABASE_URL: url });
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    this.#running = await startBusbar({ folder: this.#folder.path, env: this.#env });
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#running?.end(signal);
    this.#running = undefined;
  }

  get dataFolder(): string {
    return join(this.#folder.path, "data");
  }

  get #loopFile(): string {
    return join(this.#folder.path, "loop.json");
  }

  get port(): number {
    return Number(new URL(this.#running?.url ?? "").port);
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#running?.url}${path}`, {
      method,
      headers: { authorization: basic, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  /** Active numeric sensors of the connector; gives their ids. */
  async addDatapoints(connector: string, count: number): Promise<readonly number[]> {
    const items = Array.from({ length: count }, (_, index) => ({
      connector: { name: connector },
      key_in_connector: `meter/${index}/power`,
      type: "sensor",
      data_format: "generic_numeric",
      unit: "W",
    }));
    const made = await this.json<readonly { readonly id: number }[]>("POST", "/datapoint/", items);
    const ids = made.map(({ id }) => id);
    await this.json("POST", "/datapoint/activate/", { ids });
    return ids;
  }

  /** A figure of /metrics; 0 where it is missing. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.#running?.url}/metrics`);
    const text = await response.text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  }

  /** Bytes, the most that was resident since the start; on Linux. */
  mostMemory(): number {
    const status = readFileSync(`/proc/${this.#running?.process.pid}/status`, "utf8");
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  }

  /** Since the last time it was asked. */
  async loopDelay(): Promise<LoopDelay> {
    rmSync(this.#loopFile, { force: true });
    this.#running?.process.kill("SIGUSR2");
    const text = await until("the delays of the event loop", () => readFileSync(this.#loopFile, "utf8"));
    return JSON.parse(text) as LoopDelay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const complaints = this.#running?.output.err ?? "";
    if (complaints !== "") console.error(`The server said:\n${complaints}`);
    await this.end();
    this.#folder[Symbol.dispose]();
  }
}
