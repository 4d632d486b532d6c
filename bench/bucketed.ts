/** Bucketed reads from the store as a whole: `node bench/bucketed.ts [--quick]`; BENCH_POSTGRES_URL as for store.ts. */
import type { Aggregate } from "../src/kernel/timeseries/buckets/aggregates.ts";
import type { BucketQuery } from "../src/kernel/timeseries/buckets/query.ts";
import { type Figure, tableOf } from "./figures.ts";
import { type Read, readFigures } from "./reads.ts";
import { spacing, start } from "./store-data.ts";
import { createStreams, ingest, type Opened } from "./store-work.ts";
import { walk } from "./walks.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const day = 24 * hour;

type Question = Pick<BucketQuery, "streams" | "range" | "interval"> & {
  readonly aggregates: readonly Aggregate[];
  readonly zone?: string;
};

async function read(store: Opened["store"], { aggregates, zone = "UTC", ...asked }: Question): Promise<void> {
  const figures = aggregates.map((aggregate) => ({ kind: "aggregate", aggregate }) as const);
  const query: BucketQuery = { ...asked, zone, figures, fill: "null" };
  for await (const { columns } of store.buckets(query))
    if (columns.length !== asked.streams.length * aggregates.length)
      throw new Error("There are columns missing.");
}

const timedRead = (name: string, target: number, runs: number, asked: Question): Read => ({
  name: `buckets: ${name}`,
  target,
  runs,
  work: (store) => read(store, asked),
});

const hours = { kind: "fixed", width: hour } as const;
const fiveMinutes = { kind: "fixed", width: 5 * minute } as const;
const days = { kind: "civil", unit: "day", count: 1 } as const;

export async function bucketFigures(
  quick: boolean,
  postgresUrl = process.env["BENCH_POSTGRES_URL"],
): Promise<readonly Figure[]> {
  return [...(await oneStream(quick, postgresUrl)), ...(await allStreams(quick, postgresUrl))];
}

async function oneStream(quick: boolean, postgresUrl: string | undefined): Promise<readonly Figure[]> {
  const length = quick ? 365 / 4 : 365;
  const ids: number[] = [];
  const fill = async (opened: Opened): Promise<void> => {
    ids.splice(0, ids.length, ...(await createStreams(opened)).slice(0, 1));
    await ingest(opened.store, [...walk(ids[0] ?? 0, Math.round((length * day) / spacing))]);
    await opened.store.compact();
  };
  const range = { from: start, to: start + length * day };
  const month = { from: start + 40 * day, to: start + 70 * day };
  const whole = { streams: ids, range };
  const what = `${quick ? "a quarter" : "a year"} of 10 s points`;
  return readFigures(postgresUrl, fill, [
    timedRead(`${what}, mean in hours`, 5, 15, { ...whole, interval: hours, aggregates: ["avg"] }),
    timedRead(`${what}, weighted mean in hours`, 5, 15, { ...whole, interval: hours, aggregates: ["twa"] }),
    timedRead(`${what}, mean in 5 minutes`, 30, 25, {
      ...{ ...whole, interval: fiveMinutes, aggregates: ["avg"] },
    }),
    timedRead(`${what}, weighted mean, least and greatest in 5 minutes`, 60, 15, {
      ...{ ...whole, interval: fiveMinutes, aggregates: ["twa", "min", "max"] },
    }),
    timedRead("a month in days of Europe/Berlin", 2, 15, {
      ...{ streams: ids, range: month, interval: days, zone: "Europe/Berlin", aggregates: ["avg"] },
    }),
  ]);
}

async function allStreams(quick: boolean, postgresUrl: string | undefined): Promise<readonly Figure[]> {
  const points = quick ? 2500 : 10_000;
  const ids: number[] = [];
  const fill = async (opened: Opened): Promise<void> => {
    ids.splice(0, ids.length, ...(await createStreams(opened)));
    for (const id of ids) await ingest(opened.store, [...walk(id, points)]);
    await opened.store.compact();
  };
  const range = { from: start, to: start + points * spacing };
  return readFigures(postgresUrl, fill, [
    timedRead(`1,000 streams of ${points.toLocaleString("en")} points on one axis, mean in hours`, 60, 15, {
      ...{ streams: ids, range, interval: hours, aggregates: ["avg"] },
    }),
  ]);
}

if (import.meta.main) console.log(tableOf(await bucketFigures(process.argv.includes("--quick"))));
