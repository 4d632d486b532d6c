import { sql } from "kysely";
import type { Database, Tx } from "../src/kernel/database/engine.ts";
import type { LogStructuredStore } from "../src/kernel/timeseries/log-structured-store.ts";
import { type OpenOptions, timeseriesMigrations } from "../src/kernel/timeseries/open.ts";
import type { TestEngine } from "./engines.ts";
import { openStore } from "./store.ts";
import { until } from "./until.ts";

/** Two nodes on one database. */
export class Nodes implements AsyncDisposable {
  readonly databases: readonly [Database, Database];
  readonly stores: readonly [LogStructuredStore, LogStructuredStore];

  private constructor(databases: Nodes["databases"], stores: Nodes["stores"]) {
    this.databases = databases;
    this.stores = stores;
  }

  /** Their leases are short, unless the options say otherwise. */
  static async open(engine: TestEngine, options: OpenOptions = {}): Promise<Nodes> {
    const first = await engine.open({ migrations: timeseriesMigrations });
    const databases: Nodes["databases"] = [first, await engine.reopen(first)];
    const open = (database: Database) => openStore(database, { leaseMillis: 300, ...options });
    return new Nodes(databases, [await open(databases[0]), await open(databases[1])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.stores) await store[Symbol.asyncDispose]();
    for (const database of this.databases) await database[Symbol.asyncDispose]();
  }
}

/** As another node does that takes the lease. */
export const leaseTo = (tx: Tx, owner: string, millis: number) =>
  sql`update log_head set fence = fence + 1, lease_owner = ${owner},
    lease_until = (extract(epoch from clock_timestamp()) * 1000)::bigint + ${millis}`.execute(tx);

/** Does the work while the table is locked, which then lets go. */
export const whileLocked = (admin: Database, lock: string, work: (tx: Tx) => Promise<unknown>) =>
  admin.write(async (tx) => {
    await sql`lock table ${sql.raw(lock)}`.execute(tx);
    await work(tx);
  });

export const blocked = (database: Database, table: string) =>
  until(`a query of ${table} to wait`, async () => {
    const { rows } = await sql`select 1 from pg_stat_activity where datname = current_database()
      and wait_event_type = 'Lock' and query like ${`%${table}%`}`.execute(database.read);
    return rows.length > 0;
  });

/** What lies where: rows of chunks and log, and up to where the log is in chunks. */
export async function whereabouts(database: Database): Promise<unknown> {
  const { rows } =
    await sql`select (select count(*) from chunks) as chunks, (select count(*) from log) as log,
    (select compacted_seq from log_head) as compacted`.execute(database.read);
  return rows[0];
}
