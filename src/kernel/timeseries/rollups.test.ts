import { sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { expectSoundRollups } from "../../../test/rollups.ts";
import { batchOf, createStreams, openStore, seconds } from "../../../test/store.ts";
import type { Interval } from "./buckets/interval.ts";
import type { BucketFigure } from "./buckets/query.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { timeseriesMigrations } from "./open.ts";
import { makeRollups } from "./rollup-backfill.ts";
import type { StreamId, TimeRange } from "./types.ts";

const hour: Interval = { kind: "fixed", width: 3_600_000_000 };
const day: Interval = { kind: "civil", unit: "day", count: 1 };
const sum: BucketFigure = { kind: "aggregate", aggregate: "sum" };
const count: BucketFigure = { kind: "aggregate", aggregate: "count" };
/** Three days up to the clock of the tests. */
const range: TimeRange = { from: seconds(-3 * 86_400), to: seconds(0) };

const ramp = (stream: StreamId, points: number) =>
  batchOf(Array.from({ length: points }, (_, i) => [stream, range.from + i * 60_000_000, i] as const));

async function ask(
  store: LogStructuredStore,
  stream: StreamId,
  interval: Interval,
  figures: readonly BucketFigure[] = [sum],
): Promise<number[][]> {
  const found: number[][] = figures.map(() => []);
  const query = { streams: [stream], range, interval, zone: "UTC", figures, fill: "null" } as const;
  for await (const { columns } of store.buckets(query))
    for (const [i, column] of columns.entries()) found[i]?.push(...column);
  return found;
}

describeEachEngine("rollups of the time-series store", (engine) => {
  test("damaged ones are counted and made from the points; the next compaction writes them anew", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    await store.append(ramp(a, 3 * 1440));
    await store.compact();
    const expected = [await ask(store, a, hour), await ask(store, a, day)];
    await database.write((tx) => sql`update rollups set blob = ${new Uint8Array([1, 2, 3])}`.execute(tx));
    await using again = await openStore(database, { compactPoints: 1e9 });
    expect([await ask(again, a, hour), await ask(again, a, day)]).toEqual(expected);
    expect(again.stats().chunkErrors).toBeGreaterThan(0);
    await again.put(a, seconds(-100), 0.5);
    await again.compact();
    await using repaired = await openStore(database);
    const [column] = await ask(repaired, a, day);
    expect(column).toEqual(expected[1]?.[0]?.with(2, (expected[1][0][2] ?? 0) + 0.5));
    // The page before the one that was written is still damaged, and still gives no wrong answer.
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from rollups where length(blob) = 3`.execute(database.read);
    expect(rows[0]?.n).toBeLessThan(2);
  });

  test("chunks of a version without rollups get them by the migration", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database, { buckets: 2, compactPoints: 1e9 });
    const [a = 0, b = 0] = await createStreams(database, store, ["a", "b"]);
    await store.append(ramp(a, 3 * 1440));
    await store.append(
      batchOf([
        [b, Number.MIN_SAFE_INTEGER + 1, 1],
        [b, seconds(-200 * 86_400), '"text"'],
        [b, seconds(-100 * 86_400), 2],
        [b, Number.MAX_SAFE_INTEGER - 1, 3],
      ]),
    );
    await store.compact();
    await database.write((tx) => sql`delete from rollups`.execute(tx));
    await database.write((tx) => makeRollups(tx));
    await expectSoundRollups(database);
    const { rows } = await sql<{ n: number }>`select count(*) as n from rollups`.execute(database.read);
    expect(rows[0]?.n).toBeGreaterThan(4);
  });

  test("a stream that keeps its newest point only shows no other", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database, { compactPoints: 1e9 });
    const [a = 0] = await createStreams(database, store, ["a"]);
    await store.append(ramp(a, 1440));
    await store.compact();
    await database.write((tx) => store.streams.update(tx, a, { mode: "last" }));
    expect(await ask(store, a, day, [count, sum])).toEqual([
      [1, 0, 0],
      [1439, Number.NaN, Number.NaN],
    ]);
    await store.put(a, seconds(-10), 7);
    await store.compact();
    await database.write((tx) => store.streams.update(tx, a, { mode: "history" }));
    expect(await ask(store, a, day, [count])).toEqual([[0, 0, 1]]);
    await expectSoundRollups(database);
  });

  test("bad questions are refused by name", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    const [a = 0] = await createStreams(database, store, ["a"]);
    const good = { streams: [a], range, interval: hour, zone: "UTC", figures: [sum], fill: "null" } as const;
    const refused = async (query: Partial<Parameters<LogStructuredStore["buckets"]>[0]>, field: string) => {
      const reading = store.buckets({ ...good, ...query }).next();
      await expect(reading).rejects.toMatchObject({ code: "invalid-request", errors: [{ pointer: field }] });
    };
    await refused({ zone: "Europe/Atlantis" }, "/zone");
    await refused({ interval: { kind: "fixed", width: 1 } }, "/interval");
    await refused({ streams: [0] }, "/stream");
    await refused({ range: { from: 0.5, to: 1 } }, "/from");
    const condition = { operator: "<", value: Number.NaN } as const;
    await refused({ figures: [{ kind: "duration", condition }] }, "/value");
  });
});
