import type { Millis } from "../../kernel/time.ts";

/** A connector heard on the broker that nobody has added. */
export interface Stranger {
  readonly name: string;
  readonly lastHeard: Millis;
  readonly nextHeartbeat: Millis | null;
  /** Null before its first announcement. */
  readonly sensors: number | null;
  readonly actuators: number | null;
}

/** More than this many names are not remembered: the one not heard for longest goes. */
const maxStrangers = 1000;

/** In memory: whoever is there announces itself again. */
export class Discovered {
  readonly #strangers = new Map<string, Stranger>();

  heard(name: string, now: Millis, news: Partial<Omit<Stranger, "name" | "lastHeard">>): void {
    const known = this.#strangers.get(name);
    // Taken out and put in again: the order of insertion is that of hearing.
    this.#strangers.delete(name);
    if (this.#strangers.size >= maxStrangers) {
      const [oldest] = this.#strangers.keys();
      if (oldest !== undefined) this.#strangers.delete(oldest);
    }
    const before = known ?? { name, nextHeartbeat: null, sensors: null, actuators: null };
    this.#strangers.set(name, { ...before, ...news, name, lastHeard: now });
  }

  forget(name: string): void {
    this.#strangers.delete(name);
  }

  /** By name. */
  list(): readonly Stranger[] {
    return [...this.#strangers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
