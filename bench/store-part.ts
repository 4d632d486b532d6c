import { startPostgres } from "../test/services/postgres.ts";
import { findService } from "../test/services/programs.ts";
import type { Figure } from "./figures.ts";
import type { Bench } from "./server.ts";
import { storeFigures as measure } from "./store.ts";

/** The store's own figures, on SQLite and, where it is installed, on PostgreSQL with fsync on. */
export async function storeFigures({ quick }: Bench): Promise<readonly Figure[]> {
  await using postgres =
    findService("postgres") === undefined ? undefined : await startPostgres({ fsync: true });
  if (postgres === undefined) console.error("PostgreSQL is not installed: its figure is left out.");
  return await measure(quick, postgres?.url("postgres"));
}
