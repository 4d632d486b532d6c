import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Database, Migrations, Queryable } from "../database/engine.ts";
import type { Millis } from "../time.ts";

type LeaseTables = { leases: { name: string; owner: string; until: number } };

const tables = (db: Queryable) => db.withTables<LeaseTables>();

export const leaseMigrations: Migrations = {
  "kernel/0010-leases": async (db, types) => {
    await db.schema
      .createTable("leases")
      .addColumn("name", types.text, (column) => column.primaryKey())
      .addColumn("owner", types.text, (column) => column.notNull())
      .addColumn("until", types.integer, (column) => column.notNull())
      .execute();
  },
};

export interface LeaseOptions {
  readonly database: Database;
  /** What is to be done by one node at a time. */
  readonly name: string;
  /** How long it lasts when it is not renewed. */
  readonly millis?: Millis;
}

/** The database's own clock: those of the nodes may differ. */
const databaseNow = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/**
 * Lets one node at a time do something that all of them could do. It saves the others the work; it does not keep a node
 * that was paused from going on: whatever is done under it must be right without it.
 */
export class Lease implements AsyncDisposable {
  readonly #database: Database;
  readonly #name: string;
  readonly #millis: Millis;
  readonly #owner = randomUUID();
  /** On the monotonic clock. */
  #renewAt = 0;
  #until = 0;

  constructor({ database, name, millis = 10_000 }: LeaseOptions) {
    this.#database = database;
    this.#name = name;
    this.#millis = millis;
  }

  /**
   * Takes or renews it where that is due; cheap to ask often.
   * @returns whether it is ours
   * @throws Problem `store-unavailable`
   */
  async held(): Promise<boolean> {
    // A SQLite file belongs to one process: see the lock of the data folder.
    if (this.#database.engine === "sqlite") return true;
    const now = performance.now();
    if (now < this.#renewAt) return now < this.#until;
    const taken = await this.#take();
    this.#until = taken ? now + this.#millis : 0;
    this.#renewAt = now + this.#millis / (taken ? 2 : 4);
    return taken;
  }

  /** Lets the others have it at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database.engine === "sqlite" || performance.now() >= this.#until) return;
    this.#until = 0;
    await this.#database.write((tx) =>
      tables(tx)
        .deleteFrom("leases")
        .where("name", "=", this.#name)
        .where("owner", "=", this.#owner)
        .execute(),
    );
  }

  #take(): Promise<boolean> {
    const until = sql<number>`${databaseNow} + ${this.#millis}`;
    return this.#database.write(async (tx) => {
      const { numInsertedOrUpdatedRows = 0n } = await tables(tx)
        .insertInto("leases")
        .values({ name: this.#name, owner: this.#owner, until })
        .onConflict((conflict) =>
          conflict
            .column("name")
            .doUpdateSet({ owner: this.#owner, until })
            .where((eb) =>
              eb.or([eb("leases.owner", "=", this.#owner), eb("leases.until", "<", databaseNow)]),
            ),
        )
        .executeTakeFirst();
      return numInsertedOrUpdatedRows > 0n;
    });
  }
}
