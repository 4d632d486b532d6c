import type { IncomingHttpHeaders } from "node:http";
import type { Actor } from "../changes/changes.ts";
import type { Tx } from "../database/engine.ts";
import type { Principal } from "./principal.ts";

/** What of a request tells who sends it; every request is one. */
export interface CredentialCarrier {
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
  readonly method: string;
  readonly routeOptions: { readonly config: { readonly ignoreSession?: boolean | undefined } };
}

/** Where a credential may stand; the HTTP hook and the MQTT broker both end here. */
export interface Identity extends AsyncDisposable {
  /**
   * Authorization (Basic, Bearer, Token), x-api-key, else the session cookie. Undefined when the request carries none.
   * @throws Problem `unauthenticated` for a wrong, expired or revoked one, `too-many-requests` after too many failures, `csrf-failed`
   */
  authenticate(request: CredentialCarrier): Promise<Principal | undefined>;
  /** Name and password or token (MQTT, CLI); undefined when they do not fit or too many failed before. `address` feeds the throttle of failed attempts. */
  verify(name: string, secret: string, address: string): Promise<Principal | undefined>;
  /** A token by itself (body member of the series API); undefined when it is wrong, expired or revoked. */
  verifyToken(token: string, address: string): Promise<Principal | undefined>;
  /** 40 hex digits, HMAC(secret, principal, generation): the one token that can be shown again. */
  derivedToken(principalId: number): Promise<string>;
  /** Ends all derived tokens and sessions of the principal; `actor` (default: the server) is who wants it. */
  raiseGeneration(tx: Tx, principalId: number, actor?: Actor): Promise<void>;
  /** Known permissions as `view_datapoint`, in the order declared. */
  readonly permissions: readonly string[];
}
