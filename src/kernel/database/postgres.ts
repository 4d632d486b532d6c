import { Kysely, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import { messageOf, OperatorError } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import {
  type Database,
  type PostgresAccess,
  type PostgresConnection,
  type Reader,
  type Tables,
  type Tx,
  takeAfterCommit,
} from "./engine.ts";
import { asProblem, isRetryable } from "./faults.ts";
import { PostgresHints } from "./postgres-hints.ts";
import { openPool } from "./postgres-settings.ts";

const attempts = 5;

/**
 * PostgreSQL 15 or newer. Everything is in schema `busbar`; other tables of that database are never touched.
 * @throws OperatorError when it cannot be reached or used
 */
export async function openPostgres(connection: PostgresConnection, log: Log): Promise<Database> {
  const pool = openPool(connection, 10, log);
  const description = describe(connection.connectionString);
  try {
    const version = await pool.query<{ server_version_num: string }>("show server_version_num");
    const number = Number(version.rows[0]?.server_version_num);
    if (number < 150_000)
      throw new OperatorError(
        `${description} is version ${number / 10_000}; Busbar needs PostgreSQL 15 or newer.`,
      );
    await pool.query("create schema if not exists busbar");
  } catch (error) {
    await pool.end();
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(`The database ${description} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return new PostgresDatabase(description, connection, pool, log);
}

class PostgresDatabase implements Database {
  readonly engine = "postgres";
  readonly description: string;
  readonly read: Reader;
  readonly postgres: PostgresAccess;
  readonly #pool: pg.Pool;
  readonly #hints: PostgresHints;

  constructor(description: string, connection: PostgresConnection, pool: pg.Pool, log: Log) {
    this.description = description;
    this.#pool = pool;
    this.#hints = new PostgresHints(connection, log);
    this.postgres = { connection, hints: this.#hints };
    this.read = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  }

  async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#writeOnce(work);
      } catch (error) {
        if (!isRetryable(error) || attempt === attempts) throw asProblem(error);
      }
    }
  }

  async #writeOnce<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let callbacks: readonly (() => void)[] = [];
    const result = await this.read.transaction().execute(async (transaction: Transaction<Tables>) => {
      const tx = transaction as Tx;
      const done = await work(tx);
      callbacks = takeAfterCommit(tx);
      return done;
    });
    for (const callback of callbacks) callback();
    return result;
  }

  async ping(): Promise<void> {
    try {
      await this.#pool.query("select 1");
    } catch (error) {
      throw asProblem(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hints[Symbol.asyncDispose]();
    await this.read.destroy();
  }
}

/** Host, port and database name; never user or password. */
function describe(connectionString: string): string {
  const settings = new pg.Client({ connectionString });
  return `PostgreSQL ${settings.host}:${settings.port}/${settings.database ?? ""}`;
}
