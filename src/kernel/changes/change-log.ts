import { randomUUID } from "node:crypto";
import { afterCommit, type Database, type Queryable, type Tx } from "../database/engine.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../time.ts";
import type { Change, ChangeFilter, ChangeLog, RecordedChange } from "./changes.ts";
import { type Feed, openFeed } from "./feed.ts";
import { insertChanges, selectChanges } from "./store.ts";

/** Of the hints to other nodes. */
const topic = "changes";

export interface ChangeLogOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** How often to look for changes of other processes where no word of them came. Milliseconds. */
  readonly pollMillis?: number;
}

/** The log of changes on a database that has been migrated; see ChangeLog. */
export async function createChangeLog(options: ChangeLogOptions): Promise<ChangeLog> {
  const node = randomUUID();
  const changes = new SqlChangeLog(options, node, await openFeed(options.database, node));
  await changes.start();
  return changes;
}

class SqlChangeLog implements ChangeLog {
  readonly #options: ChangeLogOptions;
  readonly #node: string;
  readonly #feed: Feed;
  readonly #listeners = new Set<(change: RecordedChange) => void>();
  #unlisten: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #failing = false;
  #closed = false;

  constructor(options: ChangeLogOptions, node: string, feed: Feed) {
    this.#options = options;
    this.#node = node;
    this.#feed = feed;
  }

  async start(): Promise<void> {
    this.#unlisten = await this.#options.database.postgres?.hints.listen(topic, () => this.#look());
    this.#timer = setInterval(() => this.#look(), this.#options.pollMillis ?? 1000);
    this.#timer.unref();
  }

  async record(tx: Tx, changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const recorded = await insertChanges(tx, changes, this.#options.clock.now(), this.#node);
    afterCommit(tx, () => {
      for (const change of recorded) this.#deliver(change);
      this.#options.database.postgres?.hints.tell(topic);
    });
  }

  list(db: Queryable, filter: ChangeFilter): Promise<readonly RecordedChange[]> {
    return selectChanges(db, filter);
  }

  subscribe(listener: (change: RecordedChange) => void): () => void {
    // A function of its own, so that the same listener may be given twice.
    const own = (change: RecordedChange): void => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #deliver(change: RecordedChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error({ err: error, change: change.id }, "a listener to changes failed");
      }
    }
  }

  /** Looks for others' changes; while a look is under way, once more after it. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#closed || this.#looking) return;
    this.#looking = this.#lookWhileAsked().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#lookAgain && !this.#closed) {
      this.#lookAgain = false;
      try {
        for (const change of await this.#feed.next()) this.#deliver(change);
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.#options.log.warn({ error: messageOf(error) }, "changes cannot be read");
        this.#failing = true;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#unlisten?.();
    await this.#looking;
  }
}
