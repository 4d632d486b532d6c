import type { Database, Tx } from "../database/engine.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import { brokerTables, type Rows, rowWriters } from "./broker-tables.ts";

type Name = keyof Rows;
type Key = string | number;

interface Change<Row> {
  readonly row: Row;
  readonly removed: boolean;
  /** The database does not have the row: removing it before it is written leaves nothing to do. */
  readonly fresh: boolean;
}

type Changes = { readonly [N in Name]: Map<Key, Change<Rows[N]>> };

interface Batch {
  readonly changes: Changes;
  readonly durable: PromiseWithResolvers<void>;
}

const newBatch = (): Batch => {
  const durable = Promise.withResolvers<void>();
  // Nobody has to wait for it: the journal itself logs a failure and tries again.
  durable.promise.catch(() => {});
  return {
    changes: {
      retained: new Map(),
      subscriptions: new Map(),
      queued: new Map(),
      incoming: new Map(),
      wills: new Map(),
    },
    durable,
  };
};

/** Far below what the engines bind in one statement (SQLite: 32,766 values). */
const rowsInStatement = 500;
const retryMs = 1000;

/**
 * Writes the changes of the broker's state behind it: all that came in one turn of the event loop, or during the commit
 * before, goes into one transaction, and of several changes of a row only the last.
 */
export class Journal {
  readonly #database: Database;
  readonly #log: Log;
  #collecting: Batch | undefined;
  #writing: Batch | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  put<N extends Name>(name: N, key: Key, row: Rows[N], fresh = false): void {
    const changes = this.#changes(name);
    changes.set(key, { row, removed: false, fresh: changes.get(key)?.fresh ?? fresh });
  }

  remove<N extends Name>(name: N, key: Key, row: Rows[N]): void {
    const changes = this.#changes(name);
    if (changes.get(key)?.fresh) changes.delete(key);
    else changes.set(key, { row, removed: true, fresh: false });
  }

  /**
   * Resolves when all changes so far are durable; the same promise for all who ask during one batch.
   * @throws Problem `store-unavailable`, `disk-full`; the changes stay and are tried again
   */
  durable(): Promise<void> {
    return (this.#collecting ?? this.#writing)?.durable.promise ?? Promise.resolve();
  }

  /** Writes what is left, as far as the database takes it. */
  async close(): Promise<void> {
    while (this.#collecting ?? this.#writing) {
      try {
        if (this.#retry !== undefined) this.#flush();
        await this.durable();
      } catch (error) {
        this.#log.error({ error: messageOf(error) }, "the broker's state could not be saved at the end");
        break;
      }
    }
    clearTimeout(this.#retry);
  }

  #changes<N extends Name>(name: N): Map<Key, Change<Rows[N]>> {
    if (!this.#collecting) {
      this.#collecting = newBatch();
      this.#schedule();
    }
    return this.#collecting.changes[name] as Map<Key, Change<Rows[N]>>;
  }

  #schedule(): void {
    if (this.#writing === undefined && this.#retry === undefined) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const batch = this.#collecting;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (!batch || this.#writing) return;
    this.#collecting = undefined;
    this.#writing = batch;
    this.#database
      .write((tx) => write(tx, batch.changes))
      .then(
        () => this.#written(batch),
        (error: unknown) => this.#failed(batch, error),
      );
  }

  #written(batch: Batch): void {
    this.#writing = undefined;
    batch.durable.resolve();
    if (this.#collecting) this.#schedule();
  }

  #failed(batch: Batch, error: unknown): void {
    this.#log.error({ error: messageOf(error) }, "the broker's state could not be saved; trying again");
    this.#writing = undefined;
    this.#collecting ??= newBatch();
    for (const name of Object.keys(batch.changes) as Name[])
      putUnder(batch.changes, this.#collecting.changes, name);
    this.#retry = setTimeout(() => this.#flush(), retryMs);
    batch.durable.reject(error);
  }
}

/** Older changes go back under newer ones of the same row. */
function putUnder<N extends Name>(older: Changes, newer: Changes, name: N): void {
  const to = newer[name] as Map<Key, Change<Rows[N]>>;
  for (const [key, change] of older[name] as Map<Key, Change<Rows[N]>>) if (!to.has(key)) to.set(key, change);
}

async function write(tx: Tx, changes: Changes): Promise<void> {
  for (const name of Object.keys(changes) as Name[]) await writeTable(tx, changes, name);
}

async function writeTable<N extends Name>(tx: Tx, changes: Changes, name: N): Promise<void> {
  const all = [...(changes[name] as Map<Key, Change<Rows[N]>>).values()];
  const db = brokerTables(tx);
  const { put, remove } = rowWriters[name];
  const rows = (removed: boolean) =>
    all.filter((change) => change.removed === removed).map((change) => change.row);
  for (const part of parts(rows(true))) await remove(db, part);
  for (const part of parts(rows(false))) await put(db, part);
}

function* parts<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let from = 0; from < rows.length; from += rowsInStatement)
    yield rows.slice(from, from + rowsInStatement);
}
