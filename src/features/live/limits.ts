import { Problem } from "../../kernel/errors.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Live } from "../../kernel/live/live.ts";

export interface ConnectionLimits {
  readonly total: number;
  readonly perAccount: number;
}

const retrySeconds = 5;

/** @throws Problem `too-many-requests`, `shutting-down` */
export function checkRoom(live: Live, principal: Principal, { total, perAccount }: ConnectionLimits): void {
  const headers = { "retry-after": String(retrySeconds) };
  if (live.isDraining)
    throw new Problem("shutting-down", { detail: "The server is shutting down.", headers });
  if (live.subscribers.size >= total)
    throw new Problem("too-many-requests", {
      detail: `There are ${total} live connections already (BUSBAR_LIVE_CONNECTIONS).`,
      headers,
    });
  if (live.connectionsOf(principal) >= perAccount)
    throw new Problem("too-many-requests", {
      detail: `${principal.name} has ${perAccount} live connections already (BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT).`,
      headers,
    });
}
