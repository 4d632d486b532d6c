import type { Principal } from "./principal.ts";

/** A credential that was found right, and how long that may be relied upon. */
export interface Proof {
  readonly principal: Principal;
  /** Milliseconds UTC; Infinity where the credential itself does not end. */
  readonly expiresAt: number;
  /** The password hash it fitted: while that is unchanged, it need not be computed again. */
  readonly password?: string;
  /** Row of the token or session. */
  readonly rowId?: number;
}

interface Kept {
  readonly proof: Proof;
  readonly epoch: number;
  readonly readAt: number;
}

/** A safety net only: what changes is heard of at once (epoch). */
const trustedMillis = 60_000;
const maxProofs = 10_000;

/**
 * Proofs by a key that does not give away the credential. Any change of identity, on any node, begins a new epoch: what
 * was read before must then be read again.
 */
export class Proofs {
  #epoch = 0;
  readonly #kept = new Map<string, Kept>();
  /** Apart from the good ones, so that guessing does not push them out. */
  readonly #refuted = new Map<string, { readonly epoch: number; readonly readAt: number }>();
  readonly #pending = new Map<string, Promise<Proof | undefined>>();

  get epoch(): number {
    return this.#epoch;
  }

  get size(): number {
    return this.#kept.size;
  }

  newEpoch(): void {
    this.#epoch += 1;
    // Who asks from now on must not get the answer of a check that began before.
    this.#pending.clear();
  }

  /** `fresh` proofs hold as they are; others tell what has to be looked up again. */
  find(key: string, now: number): { readonly proof: Proof; readonly fresh: boolean } | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    const fresh =
      kept.epoch === this.#epoch && now - kept.readAt < trustedMillis && now < kept.proof.expiresAt;
    return { proof: kept.proof, fresh };
  }

  /** @param epoch the one in which everything the proof rests on was read; an older one is not kept */
  keep(key: string, proof: Proof, epoch: number, now: number): void {
    this.#kept.delete(key);
    if (epoch !== this.#epoch) return;
    this.#kept.set(key, { proof, epoch, readAt: now });
    dropOldest(this.#kept);
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }

  /**
   * Whether the credential was found wrong a moment ago. A device that goes on with an old password tells nothing new:
   * it must neither cost hashes nor keep its owner from signing in with the new one.
   */
  isRefuted(key: string, now: number): boolean {
    const refuted = this.#refuted.get(key);
    return refuted !== undefined && refuted.epoch === this.#epoch && now - refuted.readAt < trustedMillis;
  }

  refute(key: string, epoch: number, now: number): void {
    this.#kept.delete(key);
    this.#refuted.delete(key);
    this.#refuted.set(key, { epoch, readAt: now });
    dropOldest(this.#refuted);
  }

  /** Who brings the same credential while it is being checked waits for the one check. */
  once(key: string, check: () => Promise<Proof | undefined>): Promise<Proof | undefined> {
    const running = this.#pending.get(key);
    if (running) return running;
    const started = check().finally(() => {
      if (this.#pending.get(key) === started) this.#pending.delete(key);
    });
    this.#pending.set(key, started);
    return started;
  }
}

/** A map's order is that of setting. */
function dropOldest(map: Map<string, unknown>): void {
  const oldest = map.size > maxProofs ? map.keys().next() : undefined;
  if (oldest && !oldest.done) map.delete(oldest.value);
}
