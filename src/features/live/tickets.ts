import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { Problem } from "../../kernel/errors.ts";
import type { CredentialCarrier } from "../../kernel/identity/identity.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { carrierOf } from "./callers.ts";
import { addTicket, takeTicket } from "./ticket-store.ts";

/** Seconds between asking for a ticket and connecting with it. */
export const ticketSeconds = 30;

const ticketText = /^[\w-]{43}$/;
const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Browsers can send no headers when they open a WebSocket or an EventSource, and an address with a token in it ends up in
 * logs. A ticket stands in the address instead: good once, for half a minute, on any node. With it the connection acts by
 * the credential of who asked for it, and ends with that. The database holds the credential sealed by the ticket, of which
 * it knows only the hash: neither is worth anything without the other.
 */
export class Tickets {
  readonly #kernel: Kernel;
  readonly #carriers = new WeakMap<FastifyRequest, CredentialCarrier>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** A ticket for who made the request. */
  async issue(request: FastifyRequest): Promise<string> {
    const { database, clock } = this.#kernel;
    const ticket = randomBytes(32).toString("base64url");
    const now = clock.now();
    const sealed = seal(ticket, carrierOf(request).headers);
    const expiresAt = now + ticketSeconds * 1000;
    await database.write((tx) => addTicket(tx, { hash: hashOf(ticket), sealed, expiresAt }, now));
    return ticket;
  }

  /**
   * Whom the ticket in the query stands for; undefined when there is none.
   * @throws Problem `unauthenticated` for one that is wrong, used or too old
   */
  readonly authenticate = async (request: FastifyRequest): Promise<Principal | undefined> => {
    const { ticket } = request.query as { readonly ticket?: unknown };
    if (ticket === undefined) return undefined;
    const { database, clock, identity } = this.#kernel;
    const sealed =
      typeof ticket === "string" && ticketText.test(ticket)
        ? await database.write((tx) => takeTicket(tx, hashOf(ticket), clock.now()))
        : undefined;
    if (!sealed) throw new Problem("unauthenticated", { detail: "ticket: It is unknown, used, or too old." });
    const carrier = { ...carrierOf(request), headers: unseal(String(ticket), sealed) };
    this.#carriers.set(request, carrier);
    return identity.authenticate(carrier);
  };

  /** What the request was let in by, to ask again later whether it still counts. */
  carrier(request: FastifyRequest): CredentialCarrier {
    return this.#carriers.get(request) ?? carrierOf(request);
  }

  /** Whether a ticket let it in. */
  used(request: FastifyRequest): boolean {
    return this.#carriers.has(request);
  }
}

const hashOf = (ticket: string): string => createHash("sha256").update(`hash ${ticket}`).digest("hex");
const keyOf = (ticket: string): Buffer => createHash("sha256").update(`key ${ticket}`).digest();

function seal(ticket: string, headers: CredentialCarrier["headers"]): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const sealing = createCipheriv(cipher, keyOf(ticket), nonce);
  const body = Buffer.concat([sealing.update(JSON.stringify(headers), "utf8"), sealing.final()]);
  return Buffer.concat([nonce, sealing.getAuthTag(), body]);
}

function unseal(ticket: string, sealed: Uint8Array): CredentialCarrier["headers"] {
  const bytes = Buffer.from(sealed);
  const opening = createDecipheriv(cipher, keyOf(ticket), bytes.subarray(0, nonceBytes));
  opening.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  const body = Buffer.concat([opening.update(bytes.subarray(nonceBytes + tagBytes)), opening.final()]);
  return JSON.parse(body.toString("utf8")) as CredentialCarrier["headers"];
}
