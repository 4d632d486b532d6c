import { type Kysely, sql } from "kysely";
import { messageOf, OperatorError } from "../errors.ts";
import { postgresTypes, sqliteTypes } from "./columns.ts";
import type { Database, Migrations, Queryable, Tables, Tx } from "./engine.ts";

type MigrationTables = {
  schema_migrations: { name: string; applied_at: number };
};

const table = (db: Queryable) => db.withTables<MigrationTables>();

/** An arbitrary number that all nodes agree on. */
const migrationLock = 4_278_190_081;

/**
 * Brings the schema up to date, each step in a transaction of its own with its entry, so that a step which fails leaves
 * nothing behind. Two nodes may start at once: the second waits.
 * @returns the names of the steps that ran
 * @throws OperatorError when the database has steps this version does not know: it was written by a newer one
 */
export async function migrate(database: Database, migrations: Migrations): Promise<readonly string[]> {
  await database.write(async (tx) => {
    await lock(database, tx);
    await createTable(database, tx);
  });
  const applied = await appliedSteps(database.read);
  const unknown = applied.filter((name) => !(name in migrations));
  if (unknown.length > 0)
    throw new OperatorError(
      `${database.description} was written by a newer version of Busbar (it has ${unknown.join(", ")}); start that version or restore a backup.`,
    );
  const ran: string[] = [];
  for (const [name, step] of Object.entries(migrations)) {
    if (applied.includes(name)) continue;
    if (await apply(database, name, step)) ran.push(name);
  }
  return ran;
}

/** The steps the database has, without changing anything; none where the table is missing. */
export async function appliedSteps(db: Queryable): Promise<readonly string[]> {
  const rows = await table(db).selectFrom("schema_migrations").select("name").execute();
  return rows.map((row) => row.name);
}

function apply(database: Database, name: string, step: Migrations[string]): Promise<boolean> {
  return database.write(async (tx) => {
    await lock(database, tx);
    if ((await appliedSteps(tx)).includes(name)) return false;
    try {
      await step(tx as Kysely<Tables>, database.engine === "sqlite" ? sqliteTypes : postgresTypes);
    } catch (error) {
      throw new OperatorError(`Migration ${name} failed and was rolled back: ${messageOf(error)}`, {
        cause: error,
      });
    }
    await table(tx).insertInto("schema_migrations").values({ name, applied_at: Date.now() }).execute();
    return true;
  });
}

/** On SQLite the write transaction itself is the lock. */
async function lock(database: Database, tx: Tx): Promise<void> {
  if (database.engine === "postgres") await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(tx);
}

async function createTable(database: Database, tx: Tx): Promise<void> {
  const types = database.engine === "sqlite" ? sqliteTypes : postgresTypes;
  await tx.schema
    .createTable("schema_migrations")
    .ifNotExists()
    .addColumn("name", types.text, (column) => column.primaryKey())
    .addColumn("applied_at", types.integer, (column) => column.notNull())
    .execute();
}
