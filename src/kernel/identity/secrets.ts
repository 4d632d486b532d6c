import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** `bb_` and 160 random bits in hex. */
export const newToken = (): string => `bb_${randomBytes(20).toString("hex")}`;

/** As much of a token as may be shown, for telling tokens apart. */
export const prefixOf = (token: string): string => token.slice(0, 9);

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Compares texts in a time that does not depend on where they differ. */
export const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());

/** What is derived from the server's secret; another secret ends it all. */
export class Secrets {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** 40 hex digits, the same for the same principal and generation. */
  derivedToken(principalId: number, generation: number): string {
    return this.#hmac(`derived token:${principalId}:${generation}`).slice(0, 40);
  }

  /** As sessions are kept. */
  sessionHash(sessionId: string): string {
    return this.#hmac(`session:${sessionId}`);
  }

  /** Belongs to the session and follows from its id, so that a page can ask for it again after a reload. */
  csrfToken(sessionId: string): string {
    return this.#hmac(`csrf:${sessionId}`);
  }

  #hmac(text: string): string {
    return createHmac("sha256", this.#secret).update(text).digest("hex");
  }
}
