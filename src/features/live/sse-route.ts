import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../../kernel/errors.ts";
import { signedIn } from "../../kernel/http/surface.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Clause } from "../../kernel/live/clause.ts";
import type { Doors } from "./doors.ts";
import { type StreamQuery, streamQuery } from "./schemas.ts";
import { SseTransport } from "./sse-transport.ts";
import { checkClause, clauseOf, subscriptionOf } from "./subscriptions.ts";

/** How long a client waits before it comes back, milliseconds. */
const retryMillis = 2000;
/** A comment, so that nobody on the way takes the silence for the end. */
const beatMillis = 15_000;
const beat = ":\n\n";

/** `GET /stream/`: events as server-sent events. */
export function registerSseRoute(kernel: Kernel, doors: Doors, prefix: string): void {
  kernel.http.get(
    `${prefix}stream/`,
    {
      exposeHeadRoute: false,
      config: {
        access: signedIn,
        surface: "datapoints",
        endless: true,
        authenticate: doors.tickets.authenticate,
      },
      schema: {
        tags: ["Live"],
        summary: "Events as server-sent events",
        description:
          "Without end. All conditions must hold, of each list one entry; without any: everything one may see. After a " +
          "break an EventSource goes on where it was, by `Last-Event-ID`. See the guide on live push.",
        querystring: streamQuery,
        response: { 200: { content: { "text/event-stream": { schema: { type: "string" } } } } },
      },
    },
    async (request, reply) => {
      const principal = doors.admit(request);
      const clause = clauseOf(subscriptionOf(request.query));
      await checkClause(kernel, principal, clause);
      doors.admit(request);
      open(kernel, doors, request, reply, principal, clause);
    },
  );
}

function open(
  kernel: Kernel,
  doors: Doors,
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  clause: Clause,
): void {
  const { live } = kernel;
  const { values, newest, last_event_id } = request.query as StreamQuery;
  const after = lastEventId(request) ?? last_event_id;
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  response.write(`retry: ${retryMillis}\n\n`);
  const transport = new SseTransport(response, request.id);
  const form = values === "native" ? "native" : "text";
  const subscriber = live.connect({ principal, form, newest: newest ?? false, transport });
  doors.callers.watch(subscriber, doors.tickets.carrier(request));
  const beats = setInterval(() => transport.send(Buffer.from(beat)), beatMillis).unref();
  response.on("close", () => {
    clearInterval(beats);
    doors.callers.forget(subscriber);
    live.leave(subscriber);
  });
  response.on("error", () => response.destroy());
  live.subscribe(subscriber, "", clause, after === "" ? undefined : after);
}

/** @throws Problem `invalid-request` for one that is no id at all */
function lastEventId(request: FastifyRequest): string | undefined {
  const given = request.headers["last-event-id"];
  if (Array.isArray(given)) throw new Problem("invalid-request", { detail: "Last-Event-ID: Send it once." });
  return given;
}
