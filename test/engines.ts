import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, inject } from "vitest";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import type { Database, Migrations } from "../src/kernel/database/engine.ts";
import { migrate } from "../src/kernel/database/migrate.ts";
import { openDatabase } from "../src/kernel/database/open.ts";
import { createLog } from "../src/kernel/observe/log.ts";
import { createDatabase, dropDatabase } from "./services/postgres.ts";

export interface TestEngine {
  readonly name: "sqlite" | "postgres";
  /** Settings of a fresh, empty database. Its storage goes when the block's tests are done. */
  create(): Promise<DatabaseConfig>;
  /** Opens a fresh database, brought up to date with the migrations. The test disposes it: `await using`. */
  open(options?: { readonly migrations?: Migrations }): Promise<Database>;
  /** Opens a database that `create` made, brought up to date with the migrations. */
  connect(config: DatabaseConfig, migrations: Migrations): Promise<Database>;
  /** Opens the storage of `database` once more: as after a restart when that was disposed, else as a second node. */
  reopen(database: Database): Promise<Database>;
  /** Removes the storage of a database that was disposed: for tests that take very many. */
  discard(database: Database): Promise<void>;
}

/**
 * Runs the block once per SQL engine: SQLite in a temporary folder, PostgreSQL in the run's own cluster
 * (skipped where it is not installed).
 */
export function describeEachEngine(name: string, block: (engine: TestEngine) => void): void {
  describeOnSqlite(name, block);
  describeOnPostgres(name, block);
}

/** For what only PostgreSQL has, like a second node. */
export function describeOnPostgres(name: string, block: (engine: TestEngine) => void): void {
  const adminUrl = inject("postgres");
  describe.skipIf(adminUrl === null)(`${name} [postgres]`, () => block(postgresEngine(adminUrl ?? "")));
}

/** For trouble that a test can make on SQLite only, like a full disk. */
export function describeOnSqlite(name: string, block: (engine: TestEngine) => void): void {
  describe(`${name} [sqlite]`, () => block(sqliteEngine()));
}

function sqliteEngine(): TestEngine {
  const folder = mkdtempSync(join(tmpdir(), "busbar-sqlite-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const create = async () => ({ engine: "sqlite", file: join(folder, `${randomUUID()}.db`) }) as const;
  return testEngine("sqlite", create, async (config) => {
    if (config.engine !== "sqlite") return;
    for (const end of ["", "-wal", "-shm"]) rmSync(`${config.file}${end}`, { force: true });
  });
}

function postgresEngine(adminUrl: string): TestEngine {
  const urls = new Set<string>();
  afterAll(async () => {
    for (const url of urls) await dropDatabase(adminUrl, url);
  });
  const create = async () => {
    const url = await createDatabase(adminUrl);
    urls.add(url);
    return { engine: "postgres", connectionString: url } as const;
  };
  return testEngine("postgres", create, async (config) => {
    if (config.engine !== "postgres") return;
    await dropDatabase(adminUrl, config.connectionString);
    urls.delete(config.connectionString);
  });
}

function testEngine(
  name: TestEngine["name"],
  create: () => Promise<DatabaseConfig>,
  remove: (config: DatabaseConfig) => Promise<void>,
): TestEngine {
  const configs = new WeakMap<Database, DatabaseConfig>();
  const openConfig = async (config: DatabaseConfig) => {
    const database = await openDatabase(config, createLog("silent"));
    configs.set(database, config);
    return database;
  };
  const configOf = (database: Database): DatabaseConfig => {
    const config = configs.get(database);
    if (config === undefined) throw new Error("This database was not opened by this engine.");
    return config;
  };
  return {
    name,
    create,
    open: async (options = {}) => {
      const database = await openConfig(await create());
      if (options.migrations) await migrate(database, options.migrations);
      return database;
    },
    connect: async (config, migrations) => {
      const database = await openConfig(config);
      await migrate(database, migrations);
      return database;
    },
    reopen: async (database) => openConfig(configOf(database)),
    discard: async (database) => remove(configOf(database)),
  };
}
