import type { Kysely, Transaction } from "kysely";
import type { ColumnTypes } from "./columns.ts";

/**
 * The SQL engine under everything. Two implementations (sqlite.ts, postgres.ts), one contract.
 * Reads run on `read`; a write needs a `Tx`, which only `write` hands out, so that no write can
 * happen outside a transaction. Features widen the table types with `.withTables<TheirTables>()`.
 */

// biome-ignore lint/complexity/noBannedTypes: an open set of tables; each store widens it with its own.
export type Tables = {};

/** For reading outside a transaction. On SQLite its connection is read-only: a write fails. */
export type Reader = Kysely<Tables>;

declare const inWrite: unique symbol;
/** A write transaction. Never use the outer `read` inside one: it does not see the writes. */
export type Tx = Transaction<Tables> & { readonly [inWrite]: true };

/** What may be asked of either. */
export type Queryable = Reader | Tx;

/** A value that both engines bind: instants are integers, booleans and JSON go through codec.ts. */
export type SqlValue = string | number | bigint | Uint8Array | null;

export interface Statement {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

export interface Database extends AsyncDisposable {
  readonly engine: "sqlite" | "postgres";
  /** Where the data is, safe to print (no password). */
  readonly description: string;
  readonly read: Reader;
  /**
   * Runs `work` in one transaction: all of it is durable when the promise resolves, none of it when it rejects.
   * Writers on SQLite run one after another; keep the work short and free of waiting for anything but the Tx.
   * @throws Problem `store-unavailable`, `disk-full`
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Resolves when the engine answers; rejects with `store-unavailable` when not. */
  ping(): Promise<void>;
  /** Engine-specific raw access for the time-series store: exactly one of the two is present. */
  readonly sqlite?: SqliteAccess;
  readonly postgres?: PostgresAccess;
}

/** SQLite: one writing connection in a worker thread, so that no commit or checkpoint blocks the event loop. */
export interface SqliteAccess {
  readonly file: string;
  /**
   * Executes the statements in one transaction in the writer thread, in turn with `Database.write`.
   * `transfer`: ArrayBuffers handed over rather than copied (the caller may not touch them afterwards).
   */
  batch(statements: readonly Statement[], transfer?: readonly ArrayBuffer[]): Promise<readonly BatchResult[]>;
  /** Runs pragmas in the writer thread, outside any transaction, in turn with the writes. */
  maintain(pragmas: string): Promise<void>;
}

export interface BatchResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly changes: number;
}

export interface PostgresAccess {
  /** Connection settings for connections of one's own (the compaction worker). Schema `busbar` is on the search path. */
  readonly connection: PostgresConnection;
  readonly hints: Hints;
}

/**
 * Word to the other nodes on the same database that there is something to read. It may be lost, come late, or more
 * often than it was given: look by yourself as well.
 */
export interface Hints {
  /**
   * Calls back when another node has told the topic, and whenever word may have been missed. Resolves, with what ends
   * it, when the first attempt to connect is over.
   */
  listen(topic: string, onHint: () => void): Promise<() => void>;
  /** After the commit. Told at most 20 times a second, and only where there is another node; costs next to nothing. */
  tell(topic: string): void;
  /** Sends what waits for its turn. */
  flush(): void;
}

export interface PostgresConnection {
  readonly connectionString: string;
  readonly ssl?: boolean;
}

const callbacks = new WeakMap<object, (() => void)[]>();

/** Runs `callback` after the transaction has committed; never when it rolls back. */
export function afterCommit(tx: Tx, callback: () => void): void {
  const waiting = callbacks.get(tx);
  if (waiting) waiting.push(callback);
  else callbacks.set(tx, [callback]);
}

/** For the engines only: what was registered with `afterCommit`. */
export const takeAfterCommit = (tx: Tx): readonly (() => void)[] => {
  const waiting = callbacks.get(tx) ?? [];
  callbacks.delete(tx);
  return waiting;
};

/** One step of the schema, forward only; it runs in a transaction of its own on both engines. */
export type MigrationStep = (db: Kysely<Tables>, types: ColumnTypes) => Promise<void>;

/** Steps by name, `<owner>/<number>-<what>`, in the order they run; a released one never changes. */
export type Migrations = Readonly<Record<string, MigrationStep>>;
