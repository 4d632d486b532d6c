import { isIPv6 } from "node:net";
import { Problem } from "../errors.ts";
import type { Clock } from "../time.ts";

interface Pace {
  /** How many attempts may fail at once. */
  readonly capacity: number;
  /** How many more per second. */
  readonly perSecond: number;
}

const perName: Pace = { capacity: 10, perSecond: 1 / 6 };
/** A whole site may sit behind one address. */
const perAddress: Pace = { capacity: 50, perSecond: 1 / 2 };
const maxKeys = 10_000;

/**
 * Slows guessing down. An attempt is paid before the check and paid back when the secret was right, so that a hundred
 * guesses at once pay a hundred times. Tokens are checked before it is asked: a correct one always passes.
 */
export class LoginThrottle {
  readonly #names: FailureCount;
  readonly #addresses: FailureCount;

  constructor(clock: Clock) {
    this.#names = new FailureCount(perName, clock);
    this.#addresses = new FailureCount(perAddress, clock);
  }

  /** @throws Problem `too-many-requests` */
  pay(name: string | undefined, address: string): void {
    const network = networkOf(address);
    const waits = [name === undefined ? 0 : this.#names.wait(name), this.#addresses.wait(network)];
    const wait = Math.ceil(Math.max(...waits));
    if (wait > 0)
      throw new Problem("too-many-requests", {
        detail: `Too many failed attempts; try again in ${wait} s.`,
        headers: { "retry-after": String(wait) },
      });
    if (name !== undefined) this.#names.add(name, 1);
    this.#addresses.add(network, 1);
  }

  payBack(name: string | undefined, address: string): void {
    if (name !== undefined) this.#names.add(name, -1);
    this.#addresses.add(networkOf(address), -1);
  }
}

/** Failures per key, forgotten at a steady pace, in bounded memory. */
class FailureCount {
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #counts = new Map<string, { count: number; seen: number }>();

  constructor(pace: Pace, clock: Clock) {
    this.#pace = pace;
    this.#clock = clock;
  }

  /** Seconds until one more may fail; 0 = now. */
  wait(key: string): number {
    return Math.max(0, (this.#count(key) + 1 - this.#pace.capacity) / this.#pace.perSecond);
  }

  add(key: string, amount: number): void {
    const count = Math.max(0, this.#count(key) + amount);
    // Deleted and set again, the map's order is that of the last use.
    this.#counts.delete(key);
    if (count > 0) this.#counts.set(key, { count, seen: this.#clock.now() });
    const oldest = this.#counts.size > maxKeys ? this.#counts.keys().next() : undefined;
    if (oldest && !oldest.done) this.#counts.delete(oldest.value);
  }

  #count(key: string): number {
    const entry = this.#counts.get(key);
    if (!entry) return 0;
    const seconds = Math.max(0, this.#clock.now() - entry.seen) / 1000;
    return Math.max(0, entry.count - seconds * this.#pace.perSecond);
  }
}

/** A site has a whole /64 of IPv6 addresses: they count as one. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array(Math.max(0, 8 - left.length - right.length)).fill("0") : [];
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
