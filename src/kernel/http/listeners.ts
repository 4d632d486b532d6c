import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { HttpConfig } from "../config/config.ts";
import { messageOf, OperatorError } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import { type Certificate, keptCertificate } from "./certificate.ts";
import { answerBrokenRequest } from "./client-errors.ts";
import { portOwner } from "./port-owner.ts";
import type { RequestHandler, Upgrades } from "./upgrades.ts";

export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

export interface BoundAddresses {
  readonly http: BoundAddress;
  /** Absent when switched off. */
  readonly https?: BoundAddress;
  /** Those that could be had. */
  readonly extra: readonly BoundAddress[];
}

/** Limits against clients that hold a connection without using it, and against oversized heads. */
export const serverOptions: ServerOptions = {
  headersTimeout: 20_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 72_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
  // Simple devices leave it out; the host check accepts its absence.
  requireHostHeader: false,
  noDelay: true,
};

export const serverOptionsFor = ({ wanted }: Upgrades): ServerOptions => ({
  ...serverOptions,
  shouldUpgradeCallback: wanted,
});

export interface ListenersOptions {
  readonly config: HttpConfig;
  readonly log: Log;
  /** The plain HTTP server, made already (Fastify's own). */
  readonly main: Server;
  readonly handler: RequestHandler;
  readonly upgrades: Upgrades;
  /** Where the self-signed certificate is kept; without it a new one is made at each start. */
  readonly dataDir: string | undefined;
}

/** All ports of one server: HTTP, HTTPS and the extra ones, with the same handler behind each. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #servers: Server[] = [];
  #secure: SecureServer | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * @throws OperatorError when the HTTP or HTTPS port cannot be had; an extra port that is taken is a warning
   */
  async listen(): Promise<BoundAddresses> {
    const { config, main } = this.#options;
    try {
      const http = await this.#bind(main, config.port, "BUSBAR_HTTP_PORT");
      const https = config.httpsPort === 0 ? undefined : await this.#bindSecure();
      const extra: BoundAddress[] = [];
      for (const port of config.extraPorts) extra.push(...(await this.#bindExtra(port)));
      return { http, ...(https ? { https } : {}), extra };
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /** Puts another certificate into the running HTTPS server; open connections keep the old one. */
  reloadCertificate(certificate: Certificate): void {
    this.#secure?.setSecureContext({ cert: certificate.cert, key: certificate.key });
  }

  /** Accepts nothing new, lets running requests end for up to `graceMillis`, then cuts. */
  async close(graceMillis: number): Promise<void> {
    const closed = Promise.all(this.#servers.map((server) => closeServer(server)));
    const closeIdle = setInterval(
      () => this.#servers.forEach((server) => void server.closeIdleConnections()),
      50,
    );
    const cut = setTimeout(
      () => this.#servers.forEach((server) => void server.closeAllConnections()),
      graceMillis,
    );
    await closed;
    clearInterval(closeIdle);
    clearTimeout(cut);
  }

  async #bindSecure(): Promise<BoundAddress> {
    const { config, dataDir, handler, log, upgrades } = this.#options;
    const certificate = config.certificate ?? (await keptCertificate(dataDir, log));
    try {
      const options = { ...serverOptionsFor(upgrades), ...certificate, minVersion: "TLSv1.2" } as const;
      this.#secure = createSecureServer(options, handler);
    } catch (error) {
      throw new OperatorError(
        `SSL_CERT_PEM / SSL_KEY_PEM: certificate and key cannot be used: ${messageOf(error)}`,
      );
    }
    this.#secure.on("clientError", answerBrokenRequest);
    return this.#bind(this.#secure, config.httpsPort, "BUSBAR_HTTPS_PORT");
  }

  async #bindExtra(port: number): Promise<readonly BoundAddress[]> {
    const { handler, upgrades } = this.#options;
    const server = createServer(serverOptionsFor(upgrades), handler);
    server.on("clientError", answerBrokenRequest);
    try {
      return [await this.#bind(server, port, "BUSBAR_EXTRA_HTTP_PORTS")];
    } catch (error) {
      this.#options.log.warn(`${messageOf(error)} The server runs without it.`);
      return [];
    }
  }

  async #bind(server: Server, port: number, variable: string): Promise<BoundAddress> {
    const { host } = this.#options.config;
    server.on("upgrade", this.#options.upgrades.handler(this.#options.handler));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    }).catch(async (error: unknown) => {
      throw new OperatorError(await portText(error, variable, host, port), { cause: error });
    });
    server.on("error", (error) => this.#options.log.error({ err: error }, "HTTP server error"));
    this.#servers.push(server);
    return { host, port: (server.address() as AddressInfo).port };
  }
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

async function portText(error: unknown, variable: string, host: string, port: number): Promise<string> {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE") {
    const owner = await portOwner(port);
    return `${variable}: port ${port} is taken${owner ? ` by ${owner}` : ""}; set ${variable} to a free one.`;
  }
  if (code === "EACCES") {
    return `${variable}: no permission to listen on port ${port}; ports below 1024 need a privilege.`;
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return `BUSBAR_HOST: this machine has no address ${host} to listen on (${variable} ${port}).`;
  }
  return `${variable}: cannot listen on ${host} port ${port}: ${messageOf(error)}.`;
}
