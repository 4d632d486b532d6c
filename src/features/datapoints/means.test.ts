import fc from "fast-check";
import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { batchOf, createStreams, now, openStore } from "../../../test/store.ts";
import type { Interval } from "../../kernel/timeseries/buckets/interval.ts";
import { timeseriesMigrations } from "../../kernel/timeseries/migrations.ts";
import { allTime, type Point, type TimeRange } from "../../kernel/timeseries/types.ts";
import { type MeanRow, meanRows } from "./means.ts";

const minute = 60_000_000;
const origin = Date.UTC(2000, 0, 3) * 1000;

/** What the points themselves say. Widths of the test are fixed ones. */
function expected(all: readonly (readonly Point[])[], { from, to }: TimeRange, width: number): MeanRow[] {
  const edgeOf = (time: number) => origin + Math.floor((time - origin) / width) * width;
  const within = all.map((points) => points.filter(({ time }) => time >= from && time < to));
  const edges = [...new Set(within.flat().map(({ time }) => edgeOf(time)))].toSorted((a, b) => a - b);
  return edges.map((edge) => ({
    time: edge,
    means: within.map((points) => {
      const inside = points.filter(({ time }) => edgeOf(time) === edge);
      const numbers = inside.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
      if (inside.length === 0) return undefined;
      return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    }),
  }));
}

/** Clusters of points, minutes apart, with days between them. */
const moment = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 120 }))
  .map(([days, minutes]) => now * 1000 - (days * 100 + 1) * 1440 * minute + minutes * minute + minutes);

const points = fc
  .uniqueArray(fc.tuple(moment, fc.oneof(fc.integer({ min: -999, max: 999 }), fc.constant('"on"'))), {
    maxLength: 60,
    selector: ([time]) => time,
  })
  .map((list) => list.map(([time, value]): Point => ({ time, value })).toSorted((a, b) => a.time - b.time));

const range = fc.oneof(
  fc.constant(allTime),
  fc.tuple(moment, moment).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) + 1 })),
);

const interval = fc.constantFrom<[Interval, number]>(
  [{ kind: "fixed", width: 7 * minute }, 7 * minute],
  [{ kind: "fixed", width: 60 * minute }, 60 * minute],
  [{ kind: "civil", unit: "day", count: 1 }, 1440 * minute],
  [{ kind: "civil", unit: "day", count: 7 }, 7 * 1440 * minute],
);

describeEachEngine("means of intervals", (engine) => {
  test("are those of the points, in the buckets that hold any", async () => {
    await using database = await engine.open({ migrations: timeseriesMigrations });
    await using store = await openStore(database);
    let count = 0;
    const property = fc.asyncProperty(
      points,
      points,
      range,
      interval,
      fc.boolean(),
      async (first, second, part, [wide, width], compacted) => {
        const ids = await createStreams(database, store, [`a${++count}`, `b${count}`]);
        const rows = [first, second].flatMap((list, at) =>
          list.map(({ time, value }) => [ids[at] ?? 0, time, value] as const),
        );
        await store.append(batchOf(rows));
        if (compacted) await store.compact();
        const found = (await Array.fromAsync(meanRows(store, ids, part, wide))).flat();
        expect(found).toEqual(expected([first, second], part, width));
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });
});
