import type { FastifyRequest } from "fastify";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { Problem } from "../../kernel/errors.ts";
import { signedIn } from "../../kernel/http/surface.ts";
import { asksForUpgrade, takeUpgrade } from "../../kernel/http/upgrades.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Doors } from "./doors.ts";
import { connectionQuery } from "./schemas.ts";
import { WebSocketSession } from "./websocket-session.ts";
import { WebSocketTransport } from "./websocket-transport.ts";

const maxFrameBytes = 64 * 1024;
const closeMillis = 5000;
const pingMillis = 20_000;
/** Pings without an answer before the connection counts as gone. */
const maxUnanswered = 2;
/** How long a connection may do without a subscription, in pings. */
const maxIdle = 3;

/** `GET /ws/`: events over a WebSocket. */
export function registerWebSocketRoute(kernel: Kernel, doors: Doors, prefix: string): void {
  const options: ServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    // A compressor for each connection would take 300 kB each, and make each frame anew.
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
    closeTimeout: closeMillis,
    clientTracking: false,
  };
  const sockets = new WebSocketServer(options);
  kernel.http.get(
    `${prefix}ws/`,
    {
      exposeHeadRoute: false,
      config: {
        access: signedIn,
        surface: "datapoints",
        webSocket: true,
        authenticate: doors.tickets.authenticate,
      },
      schema: {
        tags: ["Live"],
        summary: "Events over a WebSocket",
        description:
          'The client sends `{"subscribe": {"id": "a", "datapoint": [1, 2]}}` and `{"unsubscribe": "a"}`; the server sends ' +
          '`{"events": […]}`, `{"subscribed": …}`, `{"reset": …}`, `{"gone": …}`, `{"position": …}` and `{"problem": …}`. ' +
          "See the guide on live push.",
        querystring: connectionQuery,
      },
    },
    (request, reply) => {
      if (!asksForUpgrade(request.raw))
        throw new Problem("upgrade-required", {
          detail:
            "Open this path as a WebSocket (ws:// or wss://); GET /stream/ gives the same as server-sent events.",
          headers: { upgrade: "websocket", connection: "Upgrade" },
        });
      const principal = doors.admit(request);
      reply.hijack();
      const { socket, head } = takeUpgrade(request.raw) ?? {};
      if (!socket || !head) return;
      reply.raw.detachSocket(socket as never);
      sockets.handleUpgrade(request.raw, socket, head, (webSocket) =>
        open(kernel, doors, webSocket, request, principal),
      );
    },
  );
}

function open(
  kernel: Kernel,
  doors: Doors,
  socket: WebSocket,
  request: FastifyRequest,
  principal: Principal,
): void {
  const { live, log } = kernel;
  const { values, newest } = request.query as { readonly values?: string; readonly newest?: boolean };
  const transport = new WebSocketTransport(socket, request.id);
  const form = values === "native" ? "native" : "text";
  const subscriber = live.connect({ principal, form, newest: newest ?? false, transport });
  doors.callers.watch(subscriber, doors.tickets.carrier(request));
  const session = new WebSocketSession(kernel, socket, transport, subscriber);
  let unanswered = 0;
  let idle = 0;
  const pings = setInterval(() => {
    idle = session.isIdle ? idle + 1 : 0;
    if (unanswered >= maxUnanswered) {
      live.end(subscriber, "timeout", "The client does not answer pings.");
      socket.terminate();
    } else if (idle >= maxIdle) live.end(subscriber, "idle", "Nothing was subscribed to for a minute.");
    unanswered += 1;
    if (socket.readyState === socket.OPEN) socket.ping();
  }, pingMillis).unref();
  socket.on("pong", () => {
    unanswered = 0;
  });
  socket.on("message", session.receive);
  socket.on("error", (error) => log.debug({ reqId: request.id, error: error.message }, "a WebSocket failed"));
  socket.on("close", () => {
    clearInterval(pings);
    doors.callers.forget(subscriber);
    live.leave(subscriber);
  });
}
