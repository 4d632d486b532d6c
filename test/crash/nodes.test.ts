import { sql } from "kysely";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { DatabaseConfig } from "../../src/kernel/config/config.ts";
import type { Database } from "../../src/kernel/database/engine.ts";
import { migrate } from "../../src/kernel/database/migrate.ts";
import { openDatabase } from "../../src/kernel/database/open.ts";
import { createLog } from "../../src/kernel/observe/log.ts";
import type { LogStructuredStore } from "../../src/kernel/timeseries/log-structured-store.ts";
import { openTimeSeries, timeseriesMigrations } from "../../src/kernel/timeseries/open.ts";
import { proofKills, proofTimeout } from "../proof/runs.ts";
import { createDatabase, dropDatabase } from "../services/postgres.ts";
import { batchOf, createStreams, pointsOf, seconds } from "../store.ts";
import { until } from "../until.ts";
import { Expected, stepAt, stepOfStamp, streamCount } from "./store-history.ts";
import { stepsStored, Writer } from "./store-process.ts";

const adminUrl = inject("postgres");

/** The newest step before `k` that leaves a stamp. */
const stamped = (k: number): number => (stepAt(k).kind === "append" ? k : k - 1);

/** Appends of a second node, to a stream of its own, for as long as the other runs. */
class Neighbour {
  readonly #store: LogStructuredStore;
  readonly #stream: number;
  #count = 0;

  constructor(store: LogStructuredStore, stream: number) {
    this.#store = store;
    this.#stream = stream;
  }

  async append(): Promise<void> {
    await this.#store.append(batchOf([[this.#stream, seconds(this.#count), this.#count]]));
    this.#count++;
  }

  async check(): Promise<void> {
    const values = (await pointsOf(this.#store, this.#stream)).map(({ value }) => value);
    expect(values).toEqual([...Array(this.#count).keys()]);
  }
}

async function openNode(config: DatabaseConfig): Promise<{ database: Database; store: LogStructuredStore }> {
  const log = createLog("silent");
  const database = await openDatabase(config, log);
  await migrate(database, timeseriesMigrations);
  const options = { compactPoints: 3000, leaseMillis: 400 };
  const store = await openTimeSeries({ database, log, clock: { now: () => Date.now() }, options });
  return { database, store };
}

describe.skipIf(adminUrl === null)("two processes on one PostgreSQL", () => {
  const urls: string[] = [];
  afterAll(async () => {
    for (const url of urls) await dropDatabase(adminUrl ?? "", url);
  });

  test("what either has acknowledged is read at once, and compaction goes on when one is paused or killed", {
    timeout: proofTimeout(120_000),
  }, async () => {
    const connectionString = await createDatabase(adminUrl ?? "");
    urls.push(connectionString);
    const config: DatabaseConfig = { engine: "postgres", connectionString };
    const writerConfig = { ...config, connectionString: `${connectionString}?application_name=writer` };
    const { database, store } = await openNode(config);
    const connections = async (): Promise<number> => {
      const { rows } = await sql`select 1 from pg_stat_activity
        where datname = current_database() and application_name = 'writer'`.execute(database.read);
      return rows.length;
    };
    const keys = Array.from({ length: streamCount + 1 }, (_, i) => `s${i}`);
    const ids = await createStreams(database, store, keys);
    const stamps = ids[0] ?? 0;
    const neighbour = new Neighbour(store, ids[streamCount] ?? 0);
    const expected = new Expected();
    let next = 0;

    const readAlong = async (writer: Writer, acknowledgements: number): Promise<void> => {
      while (writer.count < acknowledgements) {
        const before = writer.count;
        await until("the writer to go on", () => writer.count > before);
        const least = stamped(writer.last);
        await neighbour.append();
        const [newest] = await store.latest([stamps]);
        expect(stepOfStamp(newest?.time ?? 0)).toBeGreaterThanOrEqual(least);
        const points = await pointsOf(store, stamps);
        expect(stepOfStamp(points.at(-1)?.time ?? 0)).toBeGreaterThanOrEqual(least);
      }
    };
    for (let kill = 0; kill < proofKills(3); kill++) {
      await using writer = new Writer({
        database: writerConfig,
        ids: ids.slice(0, streamCount),
        first: next,
      });
      await readAlong(writer, 100 + Math.floor(Math.random() * 300));
      writer.signal("SIGSTOP");
      await store.compact();
      writer.signal("SIGCONT");
      await readAlong(writer, writer.count + 100 + Math.floor(Math.random() * 300));
      expect(await connections()).toBeGreaterThan(0);
      writer.signal("SIGKILL");
      const acknowledged = await writer.killed();
      // What it had sent may still be committed.
      await until("its connections to end", async () => (await connections()) === 0);
      next = await stepsStored(store, ids, acknowledged);
      expected.advance(next);
      await store.compact();
      for (let stream = 0; stream < streamCount; stream++)
        expect(await pointsOf(store, ids[stream] ?? 0)).toEqual(expected.sorted(stream));
      await neighbour.check();
    }
    await store[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
});
