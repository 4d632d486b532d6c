import type { Problem } from "../errors.ts";
import type { Event } from "./events.ts";

/** How events become bytes of a connection. */
export interface Wire {
  readonly name: "websocket" | "sse";
  /** At least one event. */
  frame(events: readonly Event[]): Uint8Array;
}

/** What a client is told besides events. `position`: everything up to there has been sent or will not be. */
export type Notice =
  /** What comes from now on fits the subscription. */
  | { readonly kind: "subscribed"; readonly subscription: string; readonly position: string }
  | { readonly kind: "unsubscribed"; readonly subscription: string }
  /** Events between `since` and `position` are lost to this client: read again what is shown. */
  | {
      readonly kind: "reset";
      readonly reason: ResetReason;
      readonly since?: string;
      readonly subscription?: string;
      readonly position: string;
    }
  /** Something that was asked for by name has been deleted. */
  | { readonly kind: "gone"; readonly member: string; readonly value: string | number }
  /** So that a client for which nothing came knows where it is, too. */
  | { readonly kind: "position"; readonly position: string };

/**
 * `too-old`: no longer kept; `too-much`: more than may wait for one client; `unknown-position`: no place in this log;
 * `missed`: this server was cut off from the database, or could not keep up.
 */
export type ResetReason = "too-old" | "too-much" | "unknown-position" | "missed";

/** Why the server ends a connection. */
export type EndReason = "slow" | "memory" | "credentials" | "idle" | "timeout" | "flood" | "shutdown";

/** One connection, as the hub sees it. */
export interface Transport {
  readonly wire: Wire;
  /** Bytes that the client has not taken yet. */
  readonly backlog: number;
  send(frame: Uint8Array): void;
  tell(notice: Notice): void;
  /** Says why, then closes. */
  end(reason: EndReason, problem: Problem): void;
}
