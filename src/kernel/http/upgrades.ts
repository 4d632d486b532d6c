import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

declare module "fastify" {
  interface FastifyContextConfig {
    /** A GET route that takes WebSockets, too: see `takeUpgrade`. */
    webSocket?: boolean;
  }
}

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** A connection that is to become something else than HTTP. */
export interface Upgrade {
  readonly socket: Duplex;
  /** What came after the head of the request. */
  readonly head: Buffer;
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/** The connection of a request that asks for a WebSocket, once; its reply must have been hijacked. */
export function takeUpgrade(request: IncomingMessage): Upgrade | undefined {
  const upgrade = upgrades.get(request);
  upgrades.delete(request);
  return upgrade;
}

export const asksForUpgrade = (request: IncomingMessage): boolean => upgrades.has(request);

/**
 * Requests for a WebSocket go the way of all others, through gate, validation and handler, with a response on their
 * socket that a refusal is written to. On any other path the header counts for nothing, as RFC 9110 (7.8) allows.
 */
export class Upgrades {
  readonly #paths = new Set<string>();

  add(path: string): void {
    this.#paths.add(withoutSlash(path));
  }

  readonly wanted = ({ url = "", headers, method }: IncomingMessage): boolean =>
    method === "GET" &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    this.#paths.has(withoutSlash(url.split("?")[0] ?? ""));

  /** What listens to `upgrade` of a server. */
  handler(handle: RequestHandler) {
    return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      // Nobody else listens between the parser and the WebSocket.
      socket.on("error", () => socket.destroy());
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket as Parameters<ServerResponse["assignSocket"]>[0]);
      response.once("finish", () => socket.end());
      upgrades.set(request, { socket, head });
      handle(request, response);
    };
  }
}

const withoutSlash = (path: string): string =>
  path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
