import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, dropDatabase } from "../test/services/postgres.ts";
import { below, type Figure, median } from "./figures.ts";
import { type Opened, open, timed } from "./store-work.ts";

/** How many times as long as on SQLite a read on PostgreSQL may take. */
const postgresShare = 3;

/** A read of the store that is timed. */
export interface Read {
  readonly name: string;
  /** Milliseconds on SQLite. */
  readonly target: number;
  readonly runs: number;
  work(store: Opened["store"], run: number): Promise<unknown>;
}

/**
 * Medians of reads, on SQLite and, where a server is named, on PostgreSQL: by turns, so that both meet the same noise.
 * @param fill makes what is read
 */
export async function readFigures(
  postgresUrl: string | undefined,
  fill: (opened: Opened) => Promise<void>,
  reads: readonly Read[],
): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-bench-"));
  const connectionString = postgresUrl === undefined ? undefined : await createDatabase(postgresUrl);
  try {
    await using sqlite = await open({ engine: "sqlite", file: join(folder, "reads.db") });
    await fill(sqlite);
    await using postgres =
      connectionString === undefined ? undefined : await open({ engine: "postgres", connectionString });
    if (postgres !== undefined) await fill(postgres);
    const figures: Figure[] = [];
    for (const read of reads) figures.push(...(await measure(read, sqlite, postgres)));
    return figures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    if (postgresUrl !== undefined && connectionString !== undefined)
      await dropDatabase(postgresUrl, connectionString);
  }
}

async function measure(
  { name, target, runs, work }: Read,
  sqlite: Opened,
  postgres: Opened | undefined,
): Promise<readonly Figure[]> {
  const here: number[] = [];
  const there: number[] = [];
  for (let run = 0; run < runs; run++) {
    here.push(await timed(() => work(sqlite.store, run)));
    if (postgres !== undefined) there.push(await timed(() => work(postgres.store, run)));
  }
  const value = median(here);
  const figures: Figure[] = [{ name, value, unit: "ms", target: below(target) }];
  if (postgres !== undefined)
    figures.push({
      name: `${name}, PostgreSQL`,
      value: median(there),
      unit: "ms",
      target: below(postgresShare * value),
      floor: { name: "SQLite", value },
    });
  return figures;
}
