import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { batchOf, createStreams, now, openStore } from "../../../test/store.ts";
import { floorTo, utcDay } from "./buckets/cells.ts";
import type { BucketFigure, BucketQuery } from "./buckets/query.ts";
import type { LogStructuredStore } from "./log-structured-store.ts";
import { timeseriesMigrations } from "./open.ts";

/** What buckets say on both sides of the horizon, against what they said before the points expired. */

const minute = 60_000_000;
const from = now * 1000 - 10 * utcDay;
const to = now * 1000;
const horizon = floorTo(utcDay, to - 5 * utcDay);
const warm: BucketFigure = { kind: "duration", condition: { operator: ">", value: 20 } };
const figure = (aggregate: "sum" | "twa" | "last" | "increase"): BucketFigure => ({
  kind: "aggregate",
  aggregate,
});
const figures = [figure("sum"), figure("twa"), figure("last"), figure("increase"), warm];

interface Answer {
  readonly edges: readonly number[];
  readonly columns: readonly (readonly number[])[];
}

async function ask(store: LogStructuredStore, query: Omit<BucketQuery, "zone" | "figures">): Promise<Answer> {
  const edges: number[] = [];
  const columns: number[][] = figures.map(() => []);
  for await (const table of store.buckets({ ...query, zone: "UTC", figures })) {
    edges.push(...table.edges.subarray(0, -1));
    for (const [i, column] of table.columns.entries()) columns[i]?.push(...column);
  }
  return { edges, columns };
}

describeEachEngine("buckets across the horizon", (engine) => {
  const opened = async () => {
    const database = await engine.open({ migrations: timeseriesMigrations });
    const store = await openStore(database);
    const [id = 0] = await createStreams(database, store, ["a"]);
    const times = Array.from({ length: 10 * 72 }, (_, i) => from + i * 20 * minute);
    // A night without points lies on the horizon.
    const live = times.filter((time) => Math.abs(time - horizon) > 3 * 60 * minute);
    await store.append(batchOf(live.map((time, i) => [id, time, 15 + ((i * 7) % 11)])));
    await store.compact();
    const queries = (["null", "previous", "linear"] as const).flatMap((fill) =>
      [5 * minute, 15 * minute, utcDay, 7 * utcDay].map((width) => ({
        streams: [id],
        range: { from, to },
        interval: { kind: "fixed", width } as const,
        fill,
      })),
    );
    const expire = async () => {
      await database.write((tx) => store.retention.replaceRules(tx, [{ owner: "", keep: to - horizon }]));
      await store.retention.run();
      expect(store.horizon(id)).toBe(horizon);
    };
    const close = async () => {
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    };
    return { store, queries, expire, close };
  };

  test("summaries answer whole quarter hours as before; finer buckets and durations are null before it, and never filled", async () => {
    const { store, queries, expire, close } = await opened();
    const before = await Promise.all(queries.map((query) => ask(store, query)));
    await expire();
    for (const [i, query] of queries.entries()) {
      const { edges, columns } = await ask(store, query);
      const was = before[i] ?? { edges: [], columns: [] };
      expect(edges).toEqual(was.edges);
      const coarse = query.interval.width % (15 * minute) === 0;
      for (const [at, column] of columns.entries()) {
        const known = coarse && at < figures.length - 1;
        const first = known ? 0 : edges.findIndex((edge) => edge >= horizon);
        const end = first < 0 ? edges.length : first;
        expect(column.slice(0, end).every(Number.isNaN)).toBe(true);
        const rest = column.slice(end);
        // A gap at the horizon itself has nothing on its left to be filled from.
        const filled = rest.findIndex((value) => !Number.isNaN(value));
        const gap = known || filled < 0 ? 0 : filled;
        expect([query, at, rest.slice(gap)]).toEqual([query, at, was.columns[at]?.slice(end + gap)]);
        if (!known && query.fill === "null" && at < figures.length - 1)
          expect(rest.slice(0, gap)).toEqual(was.columns[at]?.slice(end, end + gap));
      }
    }
    await close();
  });
});
