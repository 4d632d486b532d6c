import type { Database } from "../../kernel/database/engine.ts";
import { messageOf, Problem } from "../../kernel/errors.ts";
import type { MqttLink } from "../../kernel/mqtt/link.ts";
import type { Log } from "../../kernel/observe/log.ts";
import { listClearings, removeClearing } from "./retained-store.ts";

interface Wanted {
  readonly payload: string;
  /** Runs after each publication. */
  readonly count: () => void;
}

export interface RetainedOptions {
  readonly link: MqttLink;
  readonly database: Database;
  readonly log: Log;
}

/**
 * Keeps the maps of connectors and the lists of controllers, retained on the broker, as they should be: published when they differ from what was published last, and
 * all of them on each connection, since the broker may have lost them.
 */
export class RetainedTopics {
  readonly #options: RetainedOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #published = new Map<string, string>();
  readonly #busy = new Set<string>();
  /** Counts connections; 0 before the first. */
  #connection = 0;
  #clearing = false;
  #clearAgain = false;

  constructor(options: RetainedOptions) {
    this.#options = options;
  }

  want(topic: string, payload: string, count: () => void): void {
    this.#wanted.set(topic, { payload, count });
    this.#begin(topic);
  }

  /** Its connector or controller has gone or speaks under another name: see `clearRetired`. */
  forget(topic: string): void {
    this.#wanted.delete(topic);
    this.#published.delete(topic);
  }

  /** The broker is there (again). */
  ready(): void {
    this.#connection += 1;
    this.#published.clear();
    for (const topic of this.#wanted.keys()) this.#begin(topic);
    this.clearRetired();
  }

  /** Empties what is retained on topics no longer in use; the table remembers which over restarts. */
  clearRetired(): void {
    if (this.#connection === 0) return;
    this.#clearAgain = true;
    if (this.#clearing) return;
    this.#clearing = true;
    void this.#clearWhileAsked();
  }

  async #clearWhileAsked(): Promise<void> {
    while (this.#clearAgain) {
      this.#clearAgain = false;
      try {
        await this.#clearAll();
      } catch (error) {
        this.#report(error, "maps and lists no longer in use are not emptied yet");
      }
    }
    // In the same turn as the last look, as in `#publish`.
    this.#clearing = false;
  }

  async #clearAll(): Promise<void> {
    const { link, database } = this.#options;
    for (const { topic, payload } of await listClearings(database.read)) {
      if (!this.#wanted.has(topic)) await link.publish({ topic, payload, qos: 2, retain: true });
      await database.write((tx) => removeClearing(tx, topic));
    }
  }

  #begin(topic: string): void {
    if (this.#connection === 0 || this.#busy.has(topic)) return;
    this.#busy.add(topic);
    void this.#publish(topic);
  }

  /** Until what is published is what is wanted; one publication per topic at a time, so that none overtakes another. */
  async #publish(topic: string): Promise<void> {
    for (;;) {
      const wanted = this.#wanted.get(topic);
      if (!wanted || this.#published.get(topic) === wanted.payload) break;
      const connection = this.#connection;
      try {
        await this.#options.link.publish({ topic, payload: wanted.payload, qos: 2, retain: true });
        wanted.count();
        if (connection === this.#connection) this.#published.set(topic, wanted.payload);
      } catch (error) {
        // After a reconnection `ready` has found this topic busy: what it asked for is still to be done.
        if (connection !== this.#connection) continue;
        this.#report(error, "a map or list is not published yet");
        break;
      }
    }
    // In the same turn as the last look at what is wanted, so that nothing falls in between.
    this.#busy.delete(topic);
  }

  /** Without a broker this is no fault: `ready` does it again. */
  #report(error: unknown, what: string): void {
    const away = error instanceof Problem && error.code === "broker-unavailable";
    this.#options.log[away ? "debug" : "error"]({ error: messageOf(error) }, what);
  }
}
