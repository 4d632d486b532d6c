import type { Database } from "../database/engine.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../time.ts";
import { removeEndedSessions } from "./sessions.ts";
import { tables } from "./tables.ts";

const everyMillis = 60_000;

/** When tokens and sessions were last used: kept in memory, written once a minute in one transaction. */
export class Usage implements AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #tokens = new Map<number, number>();
  #sessions = new Map<number, number>();

  constructor(database: Database, clock: Clock, log: Log) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
    this.#timer = setInterval(() => {
      this.flush().catch((error: unknown) =>
        this.#log.warn({ error: messageOf(error) }, "the times of last use were not written"),
      );
    }, everyMillis);
    this.#timer.unref();
  }

  tokenUsed(id: number, time: number): void {
    this.#tokens.set(id, time);
  }

  sessionSeen(id: number, time: number): void {
    this.#sessions.set(id, time);
  }

  /** What is not yet written; 0 when nothing is. */
  lastSeen(sessionId: number): number {
    return this.#sessions.get(sessionId) ?? 0;
  }

  async flush(): Promise<void> {
    if (this.#tokens.size + this.#sessions.size === 0) return;
    const tokens = new Map(this.#tokens);
    const sessions = new Map(this.#sessions);
    await this.#database.write(async (tx) => {
      for (const [id, time] of tokens)
        await tables(tx).updateTable("tokens").set({ last_used_at: time }).where("id", "=", id).execute();
      for (const [id, time] of sessions)
        await tables(tx).updateTable("sessions").set({ last_seen_at: time }).where("id", "=", id).execute();
      await removeEndedSessions(tx, this.#clock.now());
    });
    // What was used meanwhile is kept for the next time.
    this.#tokens = new Map([...this.#tokens].filter(([id, time]) => tokens.get(id) !== time));
    this.#sessions = new Map([...this.#sessions].filter(([id, time]) => sessions.get(id) !== time));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.flush();
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, "the times of last use were not written");
    }
  }
}
