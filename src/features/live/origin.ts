import type { FastifyRequest } from "fastify";
import { Problem } from "../../kernel/errors.ts";

/**
 * Browsers let any page open a WebSocket to any server, and send cookies and remembered passwords with it. So a page of
 * another origin gets in only when the operator has named it, or with a ticket, which it cannot get unless it is named.
 * Programs send no Origin.
 * @throws Problem `forbidden`
 */
export function checkOrigin(request: FastifyRequest, origins: readonly string[]): void {
  const { origin } = request.headers;
  if (origin === undefined || origins.includes(origin)) return;
  if (origin === `${request.protocol}://${request.host}`) return;
  throw new Problem("forbidden", {
    detail: `Origin: pages of ${JSON.stringify(origin.slice(0, 200))} may not connect here; add it to BUSBAR_CORS_ORIGINS, or use a ticket.`,
  });
}
