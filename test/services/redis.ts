import { findService } from "./programs.ts";
import { accepts, freePort, Service } from "./service.ts";

export interface Redis extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** A Redis (or Valkey) of our own on 127.0.0.1, in memory only. */
export async function startRedis(): Promise<Redis> {
  const program = findService("redis");
  if (program === undefined) throw new Error("Redis is not installed");
  const service = new Service("redis");
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  await service.start(program, [...args, "--dir", service.dir], () => accepts(port));
  const stop = (signal: NodeJS.Signals = "SIGTERM") => service.dispose(signal);
  return { port, url: `redis://127.0.0.1:${port}`, stop, [Symbol.asyncDispose]: () => stop() };
}
