import type { Actor } from "../changes/changes.ts";
import type { Tx } from "../database/engine.ts";
import type { Principal } from "../identity/principal.ts";
import type { Stream } from "./types.ts";

/**
 * What the feature that owns streams says about them. Decided from the row of the catalogue and the principal alone,
 * so that a list of thousands of streams needs no further look-up; and from what the principal may, not from who it
 * is, so that those with the same rights can be sent the same (kernel/live).
 */
export interface StreamOwner {
  /** Whether the principal may see the stream and its points. */
  mayRead(principal: Principal, stream: Stream): boolean;
  /** Whether it may change the catalogue row. */
  mayChange(principal: Principal, stream: Stream): boolean;
  /**
   * Runs in the transaction that changed the row, so that the feature can change what it keeps of it (a unit).
   * Throwing undoes the change.
   */
  changed?(tx: Tx, before: Stream, after: Stream, actor: Actor): Promise<void>;
}

/** The features that own streams, by the name that stands in `Stream.owner`. */
export class StreamOwners {
  readonly #owners = new Map<string, StreamOwner>();

  register(name: string, owner: StreamOwner): void {
    if (this.#owners.has(name)) throw new Error(`Streams of the owner ${name} are registered twice.`);
    this.#owners.set(name, owner);
  }

  /** Streams whose feature is not there are for superusers only. */
  mayRead(principal: Principal, stream: Stream): boolean {
    return principal.isSuperuser || (this.#owners.get(stream.owner)?.mayRead(principal, stream) ?? false);
  }

  mayChange(principal: Principal, stream: Stream): boolean {
    return principal.isSuperuser || (this.#owners.get(stream.owner)?.mayChange(principal, stream) ?? false);
  }

  async changed(tx: Tx, before: Stream, after: Stream, actor: Actor): Promise<void> {
    await this.#owners.get(after.owner)?.changed?.(tx, before, after, actor);
  }
}
