import { sql } from "kysely";
import type { Database } from "../database/engine.ts";
import { invalidField } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time.ts";
import { Catalogue } from "./catalogue.ts";
import { Horizons } from "./horizons.ts";
import { LogStructuredStore, type StoreOptions } from "./log-structured-store.ts";
import { registerMetrics } from "./metrics.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { defaultLeaseMillis } from "./postgres-lease.ts";
import { PostgresStorage } from "./postgres-storage.ts";
import { SqliteStorage } from "./sqlite-storage.ts";
import type { Storage } from "./storage.ts";

export { timeseriesMigrations } from "./migrations.ts";

const defaultPollMillis = 500;

/** How long after a change by another node a stream may still be answered as it was. */
const catalogueMillis = 2000;

export interface OpenOptions {
  /** Counts only when the database is new: the number of buckets never changes afterwards. Default 1. */
  readonly buckets?: number;
  /** Default 2 million points, 32 MB: most of what the server's memory grows by. */
  readonly maxTailPoints?: number;
  readonly maxTailBytes?: number;
  /** When the tail is compacted: default 500,000 points, 16 MB, or 10 minutes. */
  readonly compactPoints?: number;
  readonly compactBytes?: number;
  readonly compactMillis?: number;
  /** Rollups that are kept in memory: default 32 MB, nine stream-years of quarter hours. */
  readonly rollupCacheBytes?: number;
  /** Edits of more points keep these out of the log and of memory: default 10,000. */
  readonly inlineEditPoints?: number;
  /** An edit of more points is refused: default 100 million. */
  readonly maxEditPoints?: number;
  /** How many values a table of a bucketed read may have: default 131,072, a megabyte. */
  readonly tableValues?: number;
  /**
   * Whether other nodes work on the same database. Default `shared` on PostgreSQL: a read asks for what they have
   * acknowledged first. SQLite is always `single`.
   */
  readonly nodes?: "single" | "shared";
  /** How often a node looks for what others wrote, where no word of it came. Default 500. */
  readonly pollMillis?: number;
  /** PostgreSQL: how long a node that has died keeps others from compacting. Default 6 seconds. */
  readonly leaseMillis?: number;
}

export interface OpenTimeSeries {
  readonly database: Database;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics?: Metrics;
  readonly options?: OpenOptions;
}

/**
 * Opens the store of a migrated database: reads the part of the log that is not in chunks into memory.
 * Dispose it before the database.
 */
export async function openTimeSeries(parts: OpenTimeSeries): Promise<LogStructuredStore> {
  const { database, log, clock, metrics, options = {} } = parts;
  const buckets = await ensureBuckets(database, options.buckets ?? 1);
  const storage = openStorage(parts, buckets);
  const shared = database.postgres !== undefined && options.nodes !== "single";
  try {
    const catalogue = new Catalogue(database.read, buckets, database.postgres && catalogueMillis);
    const horizons = new Horizons(buckets);
    const expectedPoints = await pointsPerStream(database);
    const pollMillis = options.pollMillis ?? defaultPollMillis;
    const noticeMillis = shared ? 2 * pollMillis : 0;
    const store = new LogStructuredStore(
      { database, horizons, storage, catalogue, buckets, expectedPoints, shared, noticeMillis, log, clock },
      storeOptions(options),
    );
    await storage.loadMarks();
    await store.refresh();
    if (shared && database.postgres) await store.watch({ pollMillis, hints: database.postgres.hints });
    if (metrics) registerMetrics(metrics, store);
    return store;
  } catch (error) {
    await storage[Symbol.asyncDispose]();
    throw error;
  }
}

const storeOptions = (options: OpenOptions): StoreOptions => ({
  maxTailPoints: options.maxTailPoints ?? 2_000_000,
  maxTailBytes: options.maxTailBytes ?? 32 * 1024 * 1024,
  compaction: {
    points: options.compactPoints ?? 500_000,
    bytes: options.compactBytes ?? 16 * 1024 * 1024,
    age: options.compactMillis ?? 600_000,
  },
  edits: {
    inlinePoints: options.inlineEditPoints ?? 10_000,
    maxPoints: options.maxEditPoints ?? 100_000_000,
  },
  rollupCacheBytes: options.rollupCacheBytes ?? 32 * 1024 * 1024,
  tableValues: options.tableValues ?? 1 << 17,
});

function openStorage({ database, log, clock, options = {} }: OpenTimeSeries, buckets: number): Storage {
  if (database.sqlite) return SqliteStorage.open(database.sqlite, clock, buckets);
  if (database.postgres) {
    const leaseMillis = options.leaseMillis ?? defaultLeaseMillis;
    return new PostgresStorage(database.postgres, log, clock, buckets, leaseMillis);
  }
  throw new Error(`There is no time-series storage for ${database.engine}.`);
}

/** What the log holds per stream at least (ids are given out from 1 on), so that the tail's columns need not grow while it is replayed. */
async function pointsPerStream(database: Database): Promise<number> {
  const { rows } = await sql<{ points: number | null; streams: number }>`
    select (select cast(sum(points) as bigint) from log) as points,
      (select coalesce(max(id), 0) from streams) as streams`.execute(database.read);
  const [row] = rows;
  return row?.points && row.streams > 0 ? Math.ceil((1.05 * row.points) / row.streams) : 0;
}

/** Makes the heads of the log where there are none; returns how many there are. */
function ensureBuckets(database: Database, wanted: number): Promise<number> {
  if (!Number.isInteger(wanted) || wanted < 1)
    throw invalidField("buckets", `${wanted} is not a positive whole number.`);
  return database.write(async (tx) => {
    const heads = tx.withTables<TimeSeriesTables>();
    const missing = await heads.selectFrom("log_head").select("bucket").limit(1).execute();
    if (missing.length === 0)
      await heads
        .insertInto("log_head")
        .values(
          Array.from({ length: wanted }, (_, bucket) => ({
            bucket,
            seq: 0,
            compacted_seq: 0,
            lease_owner: null,
            lease_until: 0,
          })),
        )
        .onConflict((conflict) => conflict.column("bucket").doNothing())
        .execute();
    const count = await sql<{ n: number }>`select count(*) as n from log_head`.execute(tx);
    return count.rows[0]?.n ?? wanted;
  });
}
