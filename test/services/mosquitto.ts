import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findService } from "./programs.ts";
import { accepts, freePort, Service } from "./service.ts";

export interface Mosquitto extends AsyncDisposable {
  readonly port: number;
  /** Holds the configuration, the persistent state and `service.log`. */
  readonly dir: string;
  /** Ends the broker for good and removes its folder (unless it was the caller's). */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the broker, state kept. SIGTERM saves its sessions, SIGKILL does not. */
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port with the same state. */
  start(): Promise<void>;
  restart(signal?: NodeJS.Signals): Promise<void>;
}

export interface MosquittoOptions {
  /** Keeps its state there; the folder is the caller's to remove. */
  readonly dir?: string;
  readonly port?: number;
  /** Configuration lines in place of those of deploy/mosquitto.conf; "" is a stock Mosquitto. */
  readonly config?: string;
  /** Default true. */
  readonly anonymous?: boolean;
}

/** A broker of our own on 127.0.0.1, set up as the shipped deploy/mosquitto.conf says. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = findService("mosquitto");
  if (program === undefined) throw new Error("Mosquitto is not installed");
  const service = new Service("mosquitto", options.dir === undefined ? {} : { dir: options.dir });
  const port = options.port ?? (await freePort());
  const file = join(service.dir, "mosquitto.conf");
  writeFileSync(file, configuration(service.dir, port, options));
  const start = () => service.start(program, ["-c", file], () => accepts(port));
  await start();
  const stop = (signal: NodeJS.Signals = "SIGTERM") => service.dispose(signal);
  const end = (signal: NodeJS.Signals = "SIGTERM") => service.end(signal);
  const restart = async (signal?: NodeJS.Signals) => {
    await end(signal);
    await start();
  };
  return { port, dir: service.dir, stop, end, start, restart, [Symbol.asyncDispose]: () => stop() };
}

/** What the test decides in place of the shipped file. */
const ownLines =
  /^(listener|port|bind_address|allow_anonymous|persistence_location|log_dest|user|password_file|acl_file|pid_file)\b/;

function configuration(dir: string, port: number, options: MosquittoOptions): string {
  const lines = options.config ?? shippedConfiguration();
  return [
    `listener ${port} 127.0.0.1`,
    `allow_anonymous ${options.anonymous ?? true}`,
    `persistence_location ${dir}/`,
    // Started as root it would become the user `mosquitto`, who may not read this folder.
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    lines,
    "",
  ].join("\n");
}

function shippedConfiguration(): string {
  const file = new URL("../../deploy/mosquitto.conf", import.meta.url);
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => !ownLines.test(line))
    .join("\n");
}
