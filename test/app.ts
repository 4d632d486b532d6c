import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, inject } from "vitest";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import { DataFolder } from "../src/kernel/config/data-folder.ts";
import { loadConfig } from "../src/kernel/config/load.ts";
import { createLog } from "../src/kernel/observe/log.ts";
import type { Clock } from "../src/kernel/time.ts";
import { type Server, startServer } from "../src/server.ts";
import { describeEachEngine, type TestEngine } from "./engines.ts";
import { type Mosquitto, startMosquitto } from "./services/mosquitto.ts";

export type BrokerKind = "mosquitto" | "embedded" | "off";

export interface AppOptions {
  /** Default: SQLite in the app's own data folder. */
  readonly engine?: TestEngine;
  /** Default `off`. With `mosquitto` the app gets a broker of its own. */
  readonly broker?: BrokerKind;
  /** Further variables, as the operator would set them. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
}

export const adminName = "admin";
export const adminPassword = "Correct-horse-9";

/** The whole server in this process, on free ports of 127.0.0.1, with a superuser. */
export class TestApp implements AsyncDisposable {
  readonly folder: string;
  readonly mosquitto: Mosquitto | undefined;
  readonly #options: AppOptions;
  readonly #database: DatabaseConfig | undefined;
  #lock: Disposable | undefined;
  #server: Server | undefined;
  #mqttPort = 0;

  private constructor(folder: string, options: AppOptions, parts: Pick<AppParts, "mosquitto" | "database">) {
    this.folder = folder;
    this.#options = options;
    this.mosquitto = parts.mosquitto;
    this.#database = parts.database;
  }

  static async start(options: AppOptions = {}): Promise<TestApp> {
    const folder = mkdtempSync(join(tmpdir(), "busbar-app-"));
    const mosquitto = options.broker === "mosquitto" ? await startMosquitto() : undefined;
    const database = options.engine?.name === "postgres" ? await options.engine.create() : undefined;
    const app = new TestApp(folder, options, { mosquitto, database });
    try {
      await app.start();
      return app;
    } catch (error) {
      await app[Symbol.asyncDispose]();
      throw error;
    }
  }

  get server(): Server {
    if (!this.#server) throw new Error("The server is stopped.");
    return this.#server;
  }

  /** `http://127.0.0.1:port`, no final slash. */
  get url(): string {
    return this.server.urls[0] ?? "";
  }

  /** Where connectors find the broker. */
  get mqttPort(): number {
    return this.mosquitto?.port ?? this.#mqttPort;
  }

  get mqttUrl(): string {
    return `mqtt://127.0.0.1:${this.mqttPort}`;
  }

  /** Starts it (again) on the same data; the HTTP port may be another one. */
  async start(): Promise<void> {
    const data = DataFolder.open(join(this.folder, "data"));
    const { config } = loadConfig(this.#environment(data.path), this.folder);
    this.#lock = data.lock();
    try {
      const log = createLog(process.env["TEST_LOG"] ?? "silent");
      this.#server = await startServer(this.#database ? { ...config, database: this.#database } : config, {
        folder: data,
        log,
        ...(this.#options.clock ? { clock: this.#options.clock } : {}),
      });
      const { address } = this.#server.kernel.mqtt.status;
      this.#mqttPort = Number(address.slice(address.lastIndexOf(":") + 1)) || 0;
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** A request as the superuser, unless other credentials are given (`null`: none). JSON in, response out. */
  request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { body, as = { name: adminName, password: adminPassword }, headers = {} } = options;
    return fetch(`${this.url}${path}`, {
      method,
      redirect: "manual",
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(as === null ? {} : { authorization: authorization(as) }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  }

  /** The same, with the answer checked and parsed. */
  async json<T = unknown>(
    method: string,
    path: string,
    options: RequestOptions & { status?: number } = {},
  ): Promise<T> {
    const response = await this.request(method, path, options);
    const text = await response.text();
    const expected = options.status ?? 200;
    if (response.status !== expected)
      throw new Error(
        `${method} ${path} answered ${response.status} in place of ${expected}: ${text.slice(0, 500)}`,
      );
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.mosquitto?.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #environment(dataDir: string): Record<string, string> {
    const broker = this.#options.broker ?? "off";
    return {
      BUSBAR_DATA_DIR: dataDir,
      BUSBAR_HOST: "127.0.0.1",
      BUSBAR_HTTP_PORT: "0",
      BUSBAR_HTTPS_PORT: "0",
      BUSBAR_EXTRA_HTTP_PORTS: "",
      // Far from the well-known ports; a taken one is skipped and the choice kept, as in the field.
      BUSBAR_MQTT_PORT: broker === "embedded" ? String(this.#mqttPort || randomPort()) : "0",
      DJANGO_SUPERUSER_USERNAME: adminName,
      DJANGO_SUPERUSER_PASSWORD: adminPassword,
      ...(this.mosquitto
        ? { MQTT_BROKER_HOST: "127.0.0.1", MQTT_BROKER_PORT: String(this.mosquitto.port) }
        : {}),
      ...this.#options.env,
    };
  }
}

interface AppParts {
  readonly mosquitto: Mosquitto | undefined;
  readonly database: DatabaseConfig | undefined;
}

export type Credentials = { readonly name: string; readonly password: string } | { readonly token: string };

export interface RequestOptions {
  /** An object is sent as JSON, a string as it is. */
  readonly body?: unknown;
  readonly as?: Credentials | null;
  readonly headers?: Readonly<Record<string, string>>;
}

const authorization = (credentials: Credentials): string =>
  "token" in credentials
    ? `Bearer ${credentials.token}`
    : `Basic ${Buffer.from(`${credentials.name}:${credentials.password}`).toString("base64")}`;

const randomPort = (): number => 20_000 + Math.floor(Math.random() * 10_000);

export const startTestApp = (options: AppOptions = {}): Promise<TestApp> => TestApp.start(options);

export interface AppKind {
  readonly engine: TestEngine;
  readonly broker: BrokerKind;
}

/**
 * Runs the block on each SQL engine with the embedded broker, and on Mosquitto with SQLite (skipped where it is not
 * installed): every pairing of a part with the code that depends on it, without the full product.
 */
export function describeEachApp(name: string, block: (kind: AppKind) => void): void {
  describeEachEngine(`${name} [embedded]`, (engine) => {
    block({ engine, broker: "embedded" });
    if (engine.name === "sqlite")
      describe.skipIf(!inject("mosquitto"))("[mosquitto]", () => block({ engine, broker: "mosquitto" }));
  });
}
