import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Connection } from "./connection.ts";
import { FilterSet, isValidFilter } from "./filters.ts";

/** Filters in one SUBSCRIBE or UNSUBSCRIBE: a packet stays far below the limits of the usual brokers. */
const packetFilters = 500;

/**
 * Brings the broker's subscriptions in line with the wanted set: one request at a time, and only the difference, so that
 * quick changes end in the last set.
 */
export class Subscriptions {
  readonly #log: Log;
  #wanted = new FilterSet(new Set());
  /** What the broker's session may hold; outlives a connection. */
  readonly #known = new Set<string>();
  /** Asked for on this connection, granted or not. */
  readonly #asked = new Set<string>();
  readonly #strays = new Set<string>();
  #running: Connection | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  set(filters: ReadonlySet<string>): void {
    const invalid = [...filters].filter((filter) => !isValidFilter(filter));
    // One of them would make the broker refuse the others of its packet, or close the connection.
    if (invalid.length > 0)
      this.#log.error({ filters: invalid.slice(0, 10) }, "invalid topic filters left out");
    this.#wanted = new FilterSet(new Set(filters).difference(new Set(invalid)));
  }

  wants(topic: string): boolean {
    return this.#wanted.matches(topic);
  }

  /** A new connection: everything is asked for again, so that retained messages come, too. */
  reset(sessionPresent: boolean): void {
    if (!sessionPresent) this.#known.clear();
    this.#asked.clear();
    this.#strays.clear();
    this.#running = undefined;
  }

  /** A message came that nobody wants: the session holds a subscription of a former run. True when it was not known. */
  stray(topic: string): boolean {
    if (this.#strays.has(topic) || this.#strays.size >= 100_000) return false;
    this.#strays.add(topic);
    this.#known.add(topic);
    return true;
  }

  /** Resolves to true when the broker has the wanted set; to false when another run is at it or the connection ended. */
  async sync(connection: Connection): Promise<boolean> {
    if (this.#running === connection) return false;
    this.#running = connection;
    try {
      while (this.#running === connection) if (!(await this.#step(connection))) return true;
      return false;
    } catch (error) {
      // The connection has ended; the next one begins anew.
      this.#log.debug({ error: messageOf(error) }, "subscribing was interrupted");
      return false;
    } finally {
      if (this.#running === connection) this.#running = undefined;
    }
  }

  /** False when there is nothing left to do. */
  async #step(connection: Connection): Promise<boolean> {
    const wanted = this.#wanted.filters;
    const removed = take(this.#known, (filter) => !wanted.has(filter));
    if (removed.length > 0) {
      await connection.unsubscribe(removed);
      for (const filter of removed) {
        this.#known.delete(filter);
        this.#asked.delete(filter);
      }
      return true;
    }
    const added = take(wanted, (filter) => !this.#asked.has(filter));
    if (added.length === 0) return false;
    for (const filter of added) this.#known.add(filter);
    const refused = await connection.subscribe(added, 1);
    if (refused.length > 0)
      this.#log.warn({ filters: refused.slice(0, 10) }, "the broker refuses subscriptions");
    if (this.#running === connection) for (const filter of added) this.#asked.add(filter);
    return true;
  }
}

function take(filters: ReadonlySet<string>, fits: (filter: string) => boolean): string[] {
  const taken: string[] = [];
  for (const filter of filters) {
    if (!fits(filter)) continue;
    taken.push(filter);
    if (taken.length === packetFilters) break;
  }
  return taken;
}
