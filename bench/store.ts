/**
 * The store's figures beside what the machine can do in the same run: `node bench/store.ts [--quick]`. SQLite always,
 * PostgreSQL when BENCH_POSTGRES_URL names a server (databases are made there and removed).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDatabase } from "../src/kernel/database/open.ts";
import { openTimeSeries } from "../src/kernel/timeseries/open.ts";
import type { PointBatch } from "../src/kernel/timeseries/types.ts";
import { createDatabase, dropDatabase } from "../test/services/postgres.ts";
import { bucketFigures } from "./bucketed.ts";
import { atLeast, below, type Figure, median, type Target, tableOf } from "./figures.ts";
import { readFigures } from "./reads.ts";
import { batchesOf, type DataSet, dataSet } from "./store-data.ts";
import { bareLogAppend, barePostgresAppend, blobInsert, fsync, jsonParse } from "./store-floors.ts";
import {
  clock,
  createStreams,
  dayAsJson,
  ingest,
  log,
  type Opened,
  open,
  streamCount,
  untouched,
  verify,
} from "./store-work.ts";

/** Of the bare loop: as much counts as met where the machine is slower than the targets suppose. */
const floorShare = 0.6;

class Measurements {
  readonly #all = new Map<string, number[]>();

  add(name: string, figure: number): void {
    const known = this.#all.get(name);
    if (known) known.push(figure);
    else this.#all.set(name, [figure]);
  }

  median(name: string): number {
    return median(this.#all.get(name) ?? []);
  }
}

/** Medians of 5 runs (quick: 3 shorter ones). */
export async function storeFigures(
  quick: boolean,
  postgresUrl = process.env["BENCH_POSTGRES_URL"],
): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-bench-"));
  const points = quick ? 2_000_000 : 10_000_000;
  const rounds = quick ? 3 : 5;
  const measured = new Measurements();
  const ids = Array.from({ length: streamCount }, (_, i) => i + 1);
  const data = dataSet(ids, Math.max(points, 8640 * streamCount));
  try {
    for (let round = 0; round < rounds; round++) {
      await sqliteRound(folder, { ...data, points }, measured);
      if (postgresUrl) await postgresRound(postgresUrl, { ...data, points }, measured);
    }
    await reopening(folder, data, measured, rounds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return [
    ...figures(measured, postgresUrl !== undefined),
    ...(await plainReads(data, postgresUrl)),
    ...(await bucketFigures(quick, postgresUrl)),
  ];
}

async function sqliteRound(folder: string, data: DataSet, measured: Measurements): Promise<void> {
  measured.add("json", jsonParse(batchesOf(data, 1000)[0] as PointBatch));
  measured.add("fsync", fsync(folder));
  measured.add("blob", blobInsert(folder));
  for (const size of [1000, 10_000]) {
    const batches = batchesOf(data, size);
    measured.add(`bare ${size}`, bareLogAppend(folder, batches));
    const file = join(folder, "store.db");
    const opened = await open({ engine: "sqlite", file });
    await createStreams(opened);
    measured.add(`ingest ${size}`, await ingest(opened.store, batches));
    await opened.store.compact();
    measured.add("bytes", (statSync(file).size + statSync(`${file}-wal`).size) / data.points);
    await verify(opened.store, data);
    await opened[Symbol.asyncDispose]();
    rmSync(file);
  }
}

async function postgresRound(url: string, data: DataSet, measured: Measurements): Promise<void> {
  const batches = batchesOf(data, 1000);
  const bare = await createDatabase(url);
  measured.add("postgres bare", await barePostgresAppend(bare, batches));
  await dropDatabase(url, bare);
  const connectionString = await createDatabase(url);
  try {
    await using opened = await open({ engine: "postgres", connectionString });
    await createStreams(opened);
    measured.add("postgres ingest", await ingest(opened.store, batches));
    await opened.store.compact();
    await verify(opened.store, data);
  } finally {
    await dropDatabase(url, connectionString);
  }
}

/** Two reads that people wait for, over a day of 1,000 streams. */
async function plainReads(data: DataSet, postgresUrl: string | undefined): Promise<readonly Figure[]> {
  const { ids } = data;
  const fill = async (opened: Opened): Promise<void> => {
    await createStreams(opened);
    await ingest(opened.store, batchesOf({ ...data, points: 8640 * streamCount }, 10_000));
    await opened.store.compact();
    await opened.store.latest(ids);
  };
  return readFigures(postgresUrl, fill, [
    { name: "store: latest of 1,000 streams", target: 3, runs: 21, work: (store) => store.latest(ids) },
    {
      name: "store: a day of 8,640 points as JSON",
      target: 3,
      runs: 21,
      work: (store, run) => dayAsJson(store, ids[7 * run] ?? 0),
    },
  ]);
}

/** Another process fills the log and is killed; then the store is opened. */
async function reopening(
  folder: string,
  data: DataSet,
  measured: Measurements,
  rounds: number,
): Promise<void> {
  const file = join(folder, "reopen.db");
  const writer = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--fill", file], {
    stdio: "inherit",
  });
  if (writer.signal !== "SIGKILL") throw new Error("The writer was not killed.");
  for (let i = 0; i < rounds; i++) {
    const database = await openDatabase({ engine: "sqlite", file }, log);
    const started = performance.now();
    const store = await openTimeSeries({ database, log, clock, options: untouched });
    measured.add("reopen", performance.now() - started);
    if (store.stats().tailPoints !== logPoints)
      throw new Error("The log does not hold what was acknowledged.");
    await verify(store, { ...data, points: logPoints });
    await store[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  }
}

const logPoints = 8_000_000;

async function fill(file: string): Promise<void> {
  const opened = await open({ engine: "sqlite", file }, untouched);
  const ids = await createStreams(opened);
  await ingest(opened.store, batchesOf(dataSet(ids, logPoints), 4000));
  process.kill(process.pid, "SIGKILL");
}

function figures(measured: Measurements, postgres: boolean): Figure[] {
  const floor = (what: string, name: string, unit: string): Figure => ({
    name: `store, floor: ${what}`,
    value: measured.median(name),
    unit,
  });
  const rate = (what: string, name: string, least: number, bare: string): Figure => {
    const value = measured.median(name);
    const floorValue = measured.median(bare);
    return {
      name: `store: ${what}`,
      value,
      unit: "points/s",
      target: atLeast(least),
      floor: { name: "bare log", value: floorValue },
      met: value >= least || value >= floorShare * floorValue,
    };
  };
  const figure = (what: string, name: string, unit: string, target: Target): Figure => ({
    name: `store: ${what}`,
    value: measured.median(name),
    unit,
    target,
  });
  const onPostgres = [
    floor("PostgreSQL, a row of 1,000 points at a time", "postgres bare", "points/s"),
    rate("append by 1,000, PostgreSQL", "postgres ingest", 1_000_000, "postgres bare"),
  ];
  return [
    floor("JSON.parse of columns", "json", "points/s"),
    floor("fsync of 4 KB", "fsync", "ms"),
    floor("durable insert of 24 KB", "blob", "ms"),
    rate("append by 1,000", "ingest 1000", 1_500_000, "bare 1000"),
    rate("append by 10,000", "ingest 10000", 3_000_000, "bare 10000"),
    figure("size after compaction", "bytes", "bytes/point", below(1.4)),
    figure("open after kill -9, 8M points in the log", "reopen", "ms", below(1000)),
    ...(postgres ? onPostgres : []),
  ];
}

if (process.argv[2] === "--fill") await fill(process.argv[3] ?? "");
else if (import.meta.main) console.log(tableOf(await storeFigures(process.argv.includes("--quick"))));
