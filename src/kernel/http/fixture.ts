import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import type { HttpConfig } from "../config/config.ts";
import { Problem } from "../errors.ts";
import type { Grant, Principal } from "../identity/principal.ts";
import { Health } from "../observe/health.ts";
import { createMetrics } from "../observe/metrics.ts";
import { createHttp, type HttpOptions, type HttpServer } from "./app.ts";

/** For tests of this layer: a server with the few callers below. */
export const testConfig: HttpConfig = {
  host: "127.0.0.1",
  port: 0,
  httpsPort: 0,
  extraPorts: [],
  rootPath: "",
  allowedHosts: ["bar.example"],
  trustedProxies: ["127.0.0.0/8", "::1"],
  redirectHttps: false,
  secureCookies: false,
  corsOrigins: ["https://page.example"],
};

const person = (id: number, name: string, isSuperuser: boolean, grants: readonly Grant[]): Principal => ({
  id,
  kind: "user",
  name,
  isSuperuser,
  isStaff: isSuperuser,
  via: "token",
  grants,
});

const grant = (action: Grant["action"], object = "*"): Grant => ({ action, resource: "thing", object });

const callers: Readonly<Record<string, Principal>> = {
  root: person(1, "root", true, []),
  reader: person(2, "reader", false, [grant("view")]),
  /** Sees thing 7 only. */
  seven: person(3, "seven", false, [grant("view", "7")]),
  nobody: person(4, "nobody", false, []),
  monitor: person(5, "monitor", false, [{ action: "view", resource: "metric", object: "*" }]),
};

/** `Authorization: Bearer <name of a caller>`. */
export const as = (name: string): { readonly authorization: string } => ({ authorization: `Bearer ${name}` });

const identity: HttpOptions["identity"] = {
  authenticate: async (request) => {
    const given = request.headers.authorization;
    if (given === undefined) return undefined;
    const principal = callers[given.replace("Bearer ", "")];
    if (!principal) throw new Problem("unauthenticated", { detail: "Invalid token." });
    return principal;
  },
};

export const testVersion = "1.2.3";

export interface TestHttp extends HttpServer {
  readonly health: Health;
  /** Lines of JSON. */
  readonly logged: string[];
  /** Milliseconds UTC; stands still unless set. */
  readonly time: { now: number };
}

export async function testHttp(
  config: Partial<HttpConfig> = {},
  options: Partial<HttpOptions> = {},
): Promise<TestHttp> {
  const logged: string[] = [];
  const health = new Health();
  const time = { now: Date.UTC(2026, 0, 1) };
  const server = await createHttp({
    config: { ...testConfig, ...config },
    log: pino({ level: "debug" }, { write: (line: string) => void logged.push(line) }),
    identity,
    health,
    metrics: createMetrics(),
    clock: { now: () => time.now },
    version: testVersion,
    ...options,
  });
  return Object.assign(server, { health, logged, time });
}

/** Sends the bytes over a fresh connection and returns all that comes until the server closes it. */
export async function rawExchange(port: number, request: string | Uint8Array): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(request);
  return text(socket);
}
