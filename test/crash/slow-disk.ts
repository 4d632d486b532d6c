import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { DatabaseConfig } from "../../src/kernel/config/config.ts";

/** A disk on which each commit takes its time, as far as either engine lets others bring that about. */

const longest = 60;

/** PostgreSQL: each commit waits before it goes to the disk. */
export async function slowCommits(config: DatabaseConfig): Promise<void> {
  if (config.engine !== "postgres") return;
  const client = new pg.Client({ connectionString: config.connectionString });
  await client.connect();
  try {
    const name = pg.escapeIdentifier(client.database ?? "");
    await client.query(`alter database ${name} set commit_delay = 30000`);
    await client.query(`alter database ${name} set commit_siblings = 0`);
  } finally {
    await client.end();
  }
}

/** SQLite: somebody else has the file most of the time, now shorter, now longer. */
export function keepBusy(config: DatabaseConfig): AsyncDisposable {
  const ending = new AbortController();
  const done = config.engine === "sqlite" ? takeTurns(config.file, ending.signal) : Promise.resolve();
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await done;
    },
  };
}

async function takeTurns(file: string, signal: AbortSignal): Promise<void> {
  using database = new DatabaseSync(file);
  database.exec("pragma busy_timeout = 2000");
  while (!signal.aborted) {
    database.exec("begin immediate");
    await delay(Math.random() * longest);
    database.exec("rollback");
    await delay(Math.random() * 10);
  }
}
