import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { openSqliteFile } from "../src/kernel/database/sqlite-file.ts";
import { encodeLogBatch } from "../src/kernel/timeseries/codec/log-batch.ts";
import type { PointBatch } from "../src/kernel/timeseries/types.ts";
import { median } from "./figures.ts";

/** What this machine can do at all, measured in the same run as the store's figures. */

/** Points per second of parsing column JSON, batches of 1,000. */
export function jsonParse(batch: PointBatch): number {
  const columns = {
    streams: Array.from(batch.streams),
    times: Array.from(batch.times),
    values: Array.from(batch.values),
  };
  const text = JSON.stringify(columns);
  const rounds = 500;
  const started = performance.now();
  for (let i = 0; i < rounds; i++) JSON.parse(text);
  return (rounds * batch.count) / ((performance.now() - started) / 1000);
}

/** Milliseconds of a 4 KB write with fsync. */
export function fsync(folder: string): number {
  const file = openSync(join(folder, "fsync"), "w");
  const block = new Uint8Array(4096);
  const millis: number[] = [];
  for (let i = 0; i < 200; i++) {
    const started = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    millis.push(performance.now() - started);
  }
  closeSync(file);
  return median(millis);
}

/** Milliseconds of a durable insert of one blob of 24 KB. */
export function blobInsert(folder: string): number {
  const file = join(folder, "blobs.db");
  const database = openSqliteFile(file);
  database.exec("create table blobs (id integer primary key, blob blob)");
  const insert = database.prepare("insert into blobs (blob) values (?)");
  const blob = new Uint8Array(24_000).fill(7);
  const millis: number[] = [];
  for (let i = 0; i < 500; i++) {
    const started = performance.now();
    insert.run(blob);
    millis.push(performance.now() - started);
  }
  database.close();
  rmSync(file);
  return median(millis);
}

/** Points per second of a loop that only inserts the same blobs, each committed. */
export function bareLogAppend(folder: string, batches: readonly PointBatch[]): number {
  const blobs = blobsOf(batches);
  const file = join(folder, "bare.db");
  const database = openSqliteFile(file);
  database.exec(
    "create table log (bucket integer, seq integer, blob blob, primary key (bucket, seq)) without rowid",
  );
  const insert = database.prepare("insert into log (bucket, seq, blob) values (0, ?, ?)");
  const started = performance.now();
  blobs.forEach((blob, seq) => {
    insert.run(seq, blob);
  });
  const seconds = (performance.now() - started) / 1000;
  database.close();
  rmSync(file);
  return pointsIn(batches) / seconds;
}

/** The same on PostgreSQL, one row after another over one connection. */
export async function barePostgresAppend(url: string, batches: readonly PointBatch[]): Promise<number> {
  const blobs = blobsOf(batches);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("create table log (bucket bigint, seq bigint, blob bytea, primary key (bucket, seq))");
    await client.query("alter table log alter column blob set storage external");
    const started = performance.now();
    for (const [seq, blob] of blobs.entries())
      await client.query({
        name: "append",
        text: "insert into log values (0, $1, $2)",
        values: [seq, Buffer.from(blob.buffer)],
      });
    return pointsIn(batches) / ((performance.now() - started) / 1000);
  } finally {
    await client.end();
  }
}

const blobsOf = (batches: readonly PointBatch[]) =>
  batches.map((batch) => encodeLogBatch([{ kind: "points", ...batch }]));

const pointsIn = (batches: readonly PointBatch[]): number =>
  batches.reduce((sum, { count }) => sum + count, 0);
