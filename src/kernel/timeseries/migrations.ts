import type { Generated } from "kysely";
import type { Migrations } from "../database/engine.ts";
import { createEditChunks, createEditTables } from "./edits/edit-tables.ts";
import { makeRollups } from "./rollup-backfill.ts";
import { allTime } from "./types.ts";

/** The tables of the store, for its Kysely queries; the hot path uses raw statements. */
export type TimeSeriesTables = {
  streams: {
    id: Generated<number>;
    owner: string;
    key: string;
    mode: string;
    unit: string;
    labels: string;
    /** JSON list of texts. */
    tags: Generated<string>;
    /** Microseconds; null: as the owner's or the default says. */
    retention: number | null;
  };
  /** One row per bucket; `seq` is the newest log row, rows up to `compacted_seq` are in chunks. */
  log_head: {
    bucket: number;
    seq: number;
    compacted_seq: number;
    /** Raised by each change of a horizon: see Horizons. */
    horizons: Generated<number>;
    /** Who may compact the bucket, and until when (ms). */
    lease_owner: string | null;
    lease_until: number;
    /** Grows whenever the lease is taken, or chunks are removed: a compaction that began before comes to nothing. */
    fence: Generated<number>;
  };
  /** One row per commit and bucket: see codec/log-batch.ts. `at` is when it was committed (ms). */
  log: { bucket: number; seq: number; at: number; points: number; blob: Uint8Array };
  /** Sealed runs of one stream that never overlap. Times in microseconds; figures are over numbers, null without any. */
  chunks: {
    bucket: number;
    stream_id: number;
    start_time: number;
    end_time: number;
    count: number;
    numeric_count: number;
    min: number | null;
    max: number | null;
    sum: number | null;
    first: number | null;
    last: number | null;
    codec: number;
    blob: Uint8Array;
  };
  /** Summaries of one stream's quarter hours or days over a stretch of time: see buckets/cells.ts, rollup-codec.ts. */
  rollups: { bucket: number; stream_id: number; width: number; start_time: number; blob: Uint8Array };
  /** The greatest time that ever came into the stream's chunks, whatever was deleted since. */
  stream_marks: { bucket: number; stream_id: number; high_time: number };
  /**
   * Before its horizon a stream has rollups only; `purged` is 0 while older points may still lie in chunks. `version` is
   * that of the bucket's head which brought the row as it is.
   */
  stream_horizons: {
    bucket: number;
    stream_id: number;
    horizon: number;
    door: Generated<number>;
    purged: number;
    version: Generated<number>;
  };
  /** How long raw points are kept, microseconds; the owner '' is the default. */
  retention_rules: { owner: string; keep: number };
  /** Chunks that could not be decoded when they had to be rewritten: set aside, never lost. */
  damaged_chunks: {
    bucket: number;
    stream_id: number;
    start_time: number;
    end_time: number;
    count: number;
    blob: Uint8Array;
  };
};

/**
 * No foreign keys, no sequences for order, `bucket` first in each key of a large table: the same tables work
 * on a database distributed by bucket.
 */
export const timeseriesMigrations: Migrations = {
  "timeseries/0001-streams": async (db, types) => {
    await db.schema
      .createTable("streams")
      .addColumn("id", types.integer, types.generatedKey)
      .addColumn("owner", types.text, (column) => column.notNull())
      .addColumn("key", types.text, (column) => column.notNull())
      .addColumn("mode", types.text, (column) => column.notNull())
      .addColumn("unit", types.text, (column) => column.notNull())
      .addColumn("labels", types.json, (column) => column.notNull())
      .addUniqueConstraint("streams_owner_key", ["owner", "key"])
      .execute();
  },
  "timeseries/0002-log": async (db, types) => {
    await db.schema
      .createTable("log_head")
      .addColumn("bucket", types.integer, (column) => column.notNull().primaryKey())
      .addColumn("seq", types.integer, (column) => column.notNull())
      .addColumn("compacted_seq", types.integer, (column) => column.notNull())
      .addColumn("lease_owner", types.text)
      .addColumn("lease_until", types.integer, (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("log")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("seq", types.integer, (column) => column.notNull())
      .addColumn("at", types.integer, (column) => column.notNull())
      .addColumn("points", types.integer, (column) => column.notNull())
      .addColumn("blob", types.blob, (column) => column.notNull())
      .addPrimaryKeyConstraint("log_key", ["bucket", "seq"])
      .modifyEnd(types.clustered)
      .execute();
    await types.incompressible("log", "blob")?.execute(db);
  },
  "timeseries/0003-chunks": async (db, types) => {
    await db.schema
      .createTable("chunks")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("stream_id", types.integer, (column) => column.notNull())
      .addColumn("start_time", types.integer, (column) => column.notNull())
      .addColumn("end_time", types.integer, (column) => column.notNull())
      .addColumn("count", types.integer, (column) => column.notNull())
      .addColumn("numeric_count", types.integer, (column) => column.notNull())
      .addColumn("min", types.double)
      .addColumn("max", types.double)
      .addColumn("sum", types.double)
      .addColumn("first", types.double)
      .addColumn("last", types.double)
      .addColumn("codec", types.integer, (column) => column.notNull())
      .addColumn("blob", types.blob, (column) => column.notNull())
      .addPrimaryKeyConstraint("chunks_key", ["bucket", "stream_id", "start_time"])
      .modifyEnd(types.clustered)
      .execute();
    await types.incompressible("chunks", "blob")?.execute(db);
    await db.schema
      .createTable("stream_marks")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("stream_id", types.integer, (column) => column.notNull())
      .addColumn("high_time", types.integer, (column) => column.notNull())
      .addPrimaryKeyConstraint("stream_marks_key", ["bucket", "stream_id"])
      .modifyEnd(types.clustered)
      .execute();
    await db.schema
      .createTable("damaged_chunks")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("stream_id", types.integer, (column) => column.notNull())
      .addColumn("start_time", types.integer, (column) => column.notNull())
      .addColumn("end_time", types.integer, (column) => column.notNull())
      .addColumn("count", types.integer, (column) => column.notNull())
      .addColumn("blob", types.blob, (column) => column.notNull())
      .execute();
  },
  "timeseries/0004-rollups": async (db, types) => {
    await db.schema
      .createTable("rollups")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("stream_id", types.integer, (column) => column.notNull())
      .addColumn("width", types.integer, (column) => column.notNull())
      .addColumn("start_time", types.integer, (column) => column.notNull())
      .addColumn("blob", types.blob, (column) => column.notNull())
      .addPrimaryKeyConstraint("rollups_key", ["bucket", "stream_id", "width", "start_time"])
      .modifyEnd(types.clustered)
      .execute();
    await types.incompressible("rollups", "blob")?.execute(db);
    await makeRollups(db);
  },
  "timeseries/0005-stream-tags": async (db, types) => {
    await db.schema
      .alterTable("streams")
      .addColumn("tags", types.json, (column) => column.notNull().defaultTo("[]"))
      .execute();
    await db.schema.alterTable("streams").addColumn("retention", types.integer).execute();
  },
  "timeseries/0006-retention": async (db, types) => {
    await db.schema
      .createTable("stream_horizons")
      .addColumn("bucket", types.integer, (column) => column.notNull())
      .addColumn("stream_id", types.integer, (column) => column.notNull())
      .addColumn("horizon", types.integer, (column) => column.notNull())
      .addColumn("purged", types.integer, (column) => column.notNull())
      .addPrimaryKeyConstraint("stream_horizons_key", ["bucket", "stream_id"])
      .modifyEnd(types.clustered)
      .execute();
    await db.schema
      .createTable("retention_rules")
      .addColumn("owner", types.text, (column) => column.primaryKey())
      .addColumn("keep", types.integer, (column) => column.notNull())
      .execute();
  },
  "timeseries/0007-edits": createEditTables,
  "timeseries/0008-horizon-versions": async (db, types) => {
    await db.schema
      .alterTable("log_head")
      .addColumn("horizons", types.integer, (column) => column.notNull().defaultTo(0))
      .execute();
    for (const [column, value] of [
      ["door", allTime.from],
      ["version", 0],
    ] as const)
      await db.schema
        .alterTable("stream_horizons")
        .addColumn(column, types.integer, (definition) => definition.notNull().defaultTo(value))
        .execute();
    await db.schema
      .createIndex("stream_horizons_by_version")
      .on("stream_horizons")
      .columns(["bucket", "version"])
      .execute();
  },
  "timeseries/0009-fence": async (db, types) => {
    await db.schema
      .alterTable("log_head")
      .addColumn("fence", types.integer, (column) => column.notNull().defaultTo(0))
      .execute();
  },
  "timeseries/0010-edit-chunks": createEditChunks,
};
