import type { FastifyRequest } from "fastify";
import { Problem } from "../../kernel/errors.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Callers } from "./callers.ts";
import { checkRoom } from "./limits.ts";
import { checkOrigin } from "./origin.ts";
import type { Tickets } from "./tickets.ts";

/** What a connection has to pass after the gate that all requests pass. */
export class Doors {
  readonly tickets: Tickets;
  readonly callers: Callers;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel, tickets: Tickets, callers: Callers) {
    this.#kernel = kernel;
    this.tickets = tickets;
    this.callers = callers;
  }

  /** @throws Problem `forbidden` for a page of another origin, `too-many-requests`, `shutting-down` */
  admit(request: FastifyRequest): Principal {
    const { principal } = request;
    if (!principal) throw new Problem("unauthenticated");
    const { config, live } = this.#kernel;
    if (!this.tickets.used(request)) checkOrigin(request, config.http.corsOrigins);
    checkRoom(live, principal, config.live);
    return principal;
  }
}
