import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { migrate } from "../../src/kernel/database/migrate.ts";
import { openDatabase } from "../../src/kernel/database/open.ts";
import { createLog } from "../../src/kernel/observe/log.ts";
import type { LogStructuredStore } from "../../src/kernel/timeseries/log-structured-store.ts";
import { openTimeSeries, timeseriesMigrations } from "../../src/kernel/timeseries/open.ts";
import { describeEachEngine } from "../engines.ts";
import { proofKills, proofTimeout } from "../proof/runs.ts";
import { expectSoundChunks } from "../rollups.ts";
import { createStreams, pointsOf } from "../store.ts";
import { allOfIt, clock, count, day, pointsFor, timeAt, valueAt } from "./edit-history.ts";
import { Writer } from "./store-process.ts";

const writerFile = fileURLToPath(new URL("./edit-writer.ts", import.meta.url));
const log = createLog("silent");

/** All points have one sign, and none is missing. @returns the sign */
async function signOf(store: LogStructuredStore, stream: number): Promise<number> {
  const points = await pointsOf(store, stream);
  const sign = Math.sign(Number(points[0]?.value));
  expect(points).toHaveLength(count);
  expect(points.findIndex(({ value }, i) => value !== sign * valueAt(i))).toBe(-1);
  return sign;
}

/** Sum and count of each day, from the rollups as far as they go. */
async function daily(store: LogStructuredStore, stream: number): Promise<readonly (readonly number[])[]> {
  const figures: number[][] = [];
  const tables = store.buckets({
    streams: [stream],
    range: allOfIt,
    interval: { kind: "fixed", width: day },
    zone: "UTC",
    figures: [
      { kind: "aggregate", aggregate: "sum" },
      { kind: "aggregate", aggregate: "count" },
    ],
    fill: "null",
  });
  for await (const { columns } of tables)
    for (const [i, sum] of (columns[0] ?? []).entries()) figures.push([sum, columns[1]?.[i] ?? 0]);
  return figures;
}

const total = (figures: readonly (readonly number[])[]): readonly number[] =>
  [0, 1].map((column) => figures.reduce((sum, row) => sum + (row[column] ?? 0), 0));

describeEachEngine("edits and purges after kill -9", (engine) => {
  test("an edit is there or not, a purge goes on, and nothing is lost, doubled or half done", {
    timeout: proofTimeout(240_000),
  }, async () => {
    const config = await engine.create();
    const open = async () => {
      const database = await openDatabase(config, log);
      await migrate(database, timeseriesMigrations);
      const options = { compactPoints: 1e9, pollMillis: 10 };
      return { database, store: await openTimeSeries({ database, log, clock, options }) };
    };
    const first = await open();
    const ids = await createStreams(first.database, first.store, ["edited", "purged"]);
    const [edited = 0, purged = 0] = ids;
    await first.store.append(pointsFor(ids));
    await first.store.compact();
    const whole = total(await daily(first.store, purged));
    await first.store[Symbol.asyncDispose]();
    await first.database[Symbol.asyncDispose]();

    const kills = proofKills(engine.name === "sqlite" ? 4 : 2);
    let next = 0;
    for (let kill = 0; kill < kills; kill++) {
      const writer = new Writer({ database: config, ids, first: next }, writerFile);
      // In the middle of a step: at another place each time.
      const killing = setInterval(
        () => {
          if (writer.count > kill % 2) writer.signal("SIGKILL");
        },
        7 + 13 * (kill % 5),
      );
      const acknowledged = Math.max(await writer.killed(), next - 1);
      clearInterval(killing);
      const { database, store } = await open();
      const signs = await signOf(store, edited);
      const done = (await store.edits.list(database.read, edited, { limit: 1000 })).length;
      expect(signs).toBe(done % 2 === 0 ? 1 : -1);
      expect(done).toBeGreaterThan(acknowledged);
      expect(done).toBeLessThanOrEqual(acknowledged + 2);
      expect((await daily(store, edited)).every(([sum = 0]) => sum * signs >= 0)).toBe(true);
      expect(total(await daily(store, purged))).toEqual(whole);
      await store.retention.run();
      await store.compact();
      expect(await signOf(store, edited)).toBe(signs);
      const horizon = store.horizon(purged);
      const live = Array.from({ length: count }, (_, i) => timeAt(i)).filter((time) => time >= horizon);
      expect((await pointsOf(store, purged)).map(({ time }) => time)).toEqual(live);
      expect(total(await daily(store, purged))).toEqual(whole);
      await expectSoundChunks(database);
      if (engine.name === "sqlite") {
        const { rows } = await sql<{ n: number }>`
          select count(*) as n from stream_edits where made = 0`.execute(database.read);
        expect(rows).toEqual([{ n: 0 }]);
      }
      next = done;
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    }
  });
});
