import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Transaction,
} from "kysely";
import {
  type BatchResult,
  type Database,
  type Reader,
  type SqliteAccess,
  type SqlValue,
  type Statement,
  type Tables,
  type Tx,
  takeAfterCommit,
} from "./engine.ts";
import { asProblem } from "./faults.ts";
import { openSqliteReader } from "./sqlite-file.ts";
import { SqliteWriter } from "./sqlite-writer.ts";

/**
 * SQLite: reads on the event loop over a read-only connection (microseconds by key), every write in the
 * writer thread. WAL lets the two run side by side.
 * @throws OperatorError when the file belongs to another program
 */
export async function openSqlite(file: string): Promise<Database> {
  const writer = await SqliteWriter.open(file);
  try {
    return new SqliteDatabase(file, writer, openSqliteReader(file));
  } catch (error) {
    await writer[Symbol.asyncDispose]();
    throw error;
  }
}

class SqliteDatabase implements Database {
  readonly engine = "sqlite";
  readonly description: string;
  readonly read: Reader;
  readonly sqlite: SqliteAccess;
  readonly #writer: SqliteWriter;
  readonly #reader: DatabaseSync;
  readonly #write: Kysely<Tables>;

  constructor(file: string, writer: SqliteWriter, reader: DatabaseSync) {
    this.description = `SQLite ${file}`;
    this.#writer = writer;
    this.#reader = reader;
    this.read = new Kysely<Tables>({ dialect: dialect(() => new ReadDriver(reader)) });
    this.#write = new Kysely<Tables>({ dialect: dialect(() => new WriteDriver(writer)) });
    this.sqlite = {
      file,
      batch: (statements, transfer) => this.#batch(statements, transfer),
      maintain: (pragma) => this.#maintain(pragma),
    };
  }

  async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let callbacks: readonly (() => void)[] = [];
    try {
      const result = await this.#write.transaction().execute(async (transaction: Transaction<Tables>) => {
        const tx = transaction as Tx;
        const done = await work(tx);
        callbacks = takeAfterCommit(tx);
        return done;
      });
      for (const callback of callbacks) callback();
      return result;
    } catch (error) {
      throw asProblem(error);
    }
  }

  async ping(): Promise<void> {
    try {
      this.#reader.prepare("select 1").get();
      await this.#batch([{ sql: "select 1", params: [] }]);
    } catch (error) {
      throw asProblem(error);
    }
  }

  async #batch(
    statements: readonly Statement[],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<readonly BatchResult[]> {
    const release = await this.#writer.acquire();
    // The writer takes its messages one by one: the turn may pass on while this one is waiting for the disk.
    const done = this.#writer.send(statements, true, transfer);
    release();
    try {
      return await done;
    } catch (error) {
      throw asProblem(error);
    }
  }

  async #maintain(pragma: string): Promise<void> {
    const release = await this.#writer.acquire();
    const done = this.#writer.run(pragma);
    release();
    try {
      await done;
    } catch (error) {
      throw asProblem(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.read.destroy();
    await this.#writer[Symbol.asyncDispose]();
    this.#reader.close();
  }
}

const dialect = (createDriver: () => Driver): Dialect => ({
  createAdapter: () => new TransactionalAdapter(),
  createDriver,
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});

/** SQLite's DDL is transactional, which Kysely's own adapter does not use: a failed migration then leaves nothing behind. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ReadDriver implements Driver {
  readonly #connection: DatabaseConnection;

  constructor(database: DatabaseSync) {
    this.#connection = new ReadConnection(database);
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  beginTransaction(): Promise<void> {
    return Promise.reject(new Error("Reads have no transaction; use Database.write."));
  }
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

const keptStatements = 500;

class ReadConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return { rows: this.#prepare(query.sql).all(...(query.parameters as SqlValue[])) as R[] };
    } catch (error) {
      throw asProblem(error);
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    for (const row of this.#database.prepare(query.sql).iterate(...(query.parameters as SqlValue[])))
      yield { rows: [row as R] };
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known) return known;
    if (this.#prepared.size >= keptStatements) this.#prepared.clear();
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

class WriteDriver implements Driver {
  readonly #writer: SqliteWriter;
  #release: (() => void) | undefined;

  constructor(writer: SqliteWriter) {
    this.#writer = writer;
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    this.#release = await this.#writer.acquire();
    return new WriteConnection(this.#writer);
  }
  async beginTransaction(): Promise<void> {
    await this.#writer.send([{ sql: "begin immediate", params: [] }], false);
  }
  async commitTransaction(): Promise<void> {
    await this.#writer.send([{ sql: "commit", params: [] }], false);
  }
  async rollbackTransaction(): Promise<void> {
    await this.#writer.send([{ sql: "rollback", params: [] }], false);
  }
  async releaseConnection(): Promise<void> {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
  async destroy(): Promise<void> {}
}

class WriteConnection implements DatabaseConnection {
  readonly #writer: SqliteWriter;

  constructor(writer: SqliteWriter) {
    this.#writer = writer;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const statement: Statement = { sql: query.sql, params: query.parameters as SqlValue[] };
    const [result] = await this.#writer.send([statement], false);
    if (!result) return { rows: [] };
    return { rows: result.rows as R[], numAffectedRows: BigInt(result.changes) };
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("Streaming is for reads; use Database.read.");
  }
}
