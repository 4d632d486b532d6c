import { limitRate, RateLimit } from "../../kernel/http/rate-limit.ts";
import { signedIn } from "../../kernel/http/surface.ts";
import type { Feature, InstalledFeature, Kernel } from "../../kernel/kernel.ts";
import { Callers } from "./callers.ts";
import { Doors } from "./doors.ts";
import { createTickets } from "./migrations/0001-tickets.ts";
import { ticketObject } from "./schemas.ts";
import { registerSseRoute } from "./sse-route.ts";
import { Tickets, ticketSeconds } from "./tickets.ts";
import { registerWebSocketRoute } from "./websocket-route.ts";

/** Live push: what comes in is sent at once to those who have subscribed to it, over WebSockets and server-sent events. */
export const live: Feature = {
  name: "live",
  migrations: { "live/0001-tickets": createTickets },
  resources: [],
  install: async (kernel) => install(kernel),
};

function install(kernel: Kernel): InstalledFeature {
  const tickets = new Tickets(kernel);
  const callers = new Callers(kernel);
  const doors = new Doors(kernel, tickets, callers);
  const prefix = `/${kernel.config.http.rootPath}`;
  registerWebSocketRoute(kernel, doors, prefix);
  registerSseRoute(kernel, doors, prefix);
  registerTicketRoute(kernel, tickets, prefix);
  return { start: async () => undefined, [Symbol.asyncDispose]: () => callers[Symbol.asyncDispose]() };
}

function registerTicketRoute({ http, clock }: Kernel, tickets: Tickets, prefix: string): void {
  http.post(
    `${prefix}live/ticket`,
    {
      onRequest: limitRate(new RateLimit({ capacity: 100, perSecond: 5, clock })),
      config: { access: signedIn, surface: "datapoints", idempotent: false },
      schema: {
        tags: ["Live"],
        summary: "A ticket for one live connection, where no headers can be sent",
        description:
          "Stands in the address of `/ws/` or `/stream/` as `?ticket=`. Good once, for half a minute.",
        response: { 200: ticketObject },
      },
    },
    async (request) => ({ ticket: await tickets.issue(request), expires_in: ticketSeconds }),
  );
}
