import type { DatabaseConfig } from "../config/config.ts";
import type { Log } from "../observe/log.ts";
import type { Database } from "./engine.ts";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";

/** Opens the configured engine; see the two. The schema is `migrate`'s matter. */
export const openDatabase = (config: DatabaseConfig, log: Log): Promise<Database> =>
  config.engine === "sqlite" ? openSqlite(config.file) : openPostgres(config, log);
