/** Bucketed reads from the store as a whole: `node bench/bucketed.ts [--quick]`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BucketFigure, BucketQuery } from "../src/kernel/timeseries/buckets/query.ts";
import type { LogStructuredStore } from "../src/kernel/timeseries/log-structured-store.ts";
import type { PointBatch } from "../src/kernel/timeseries/types.ts";
import { below, type Figure, median, tableOf } from "./figures.ts";
import { randomFrom, spacing, start } from "./store-data.ts";
import { ingest, open, timed } from "./store-work.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const day = 24 * hour;
const pointsPerBatch = 50_000;

const figure = (aggregate: "avg" | "twa"): BucketFigure => ({ kind: "aggregate", aggregate });

/** One stream's two-decimal walk every 10 s. */
function* walk(stream: number, points: number): Generator<PointBatch> {
  const random = randomFrom(stream);
  let cents = 2000;
  for (let at = 0; at < points; at += pointsPerBatch) {
    const count = Math.min(pointsPerBatch, points - at);
    const times = Float64Array.from({ length: count }, (_, i) => start + (at + i) * spacing);
    const values = Float64Array.from({ length: count }, () => {
      cents += Math.floor(random() * 41) - 20;
      return cents / 100;
    });
    yield { count, streams: new Uint32Array(count).fill(stream), times, values };
  }
}

type Question = Pick<BucketQuery, "range" | "interval" | "figures"> & { readonly zone?: string };

async function read(store: LogStructuredStore, streams: readonly number[], asked: Question): Promise<number> {
  let values = 0;
  const query: BucketQuery = { zone: "UTC", fill: "null", streams, ...asked };
  for await (const { columns } of store.buckets(query)) for (const { length } of columns) values += length;
  return values;
}

const hours = { kind: "fixed", width: hour } as const;
const fiveMinutes = { kind: "fixed", width: 5 * minute } as const;
const days = { kind: "civil", unit: "day", count: 1 } as const;

export async function bucketFigures(quick: boolean): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-bench-"));
  try {
    return [
      ...(await oneStream(join(folder, "year.db"), quick ? 365 / 4 : 365, quick)),
      ...(await allStreams(join(folder, "all.db"), quick ? 2500 : 10_000)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function oneStream(file: string, length: number, quick: boolean): Promise<readonly Figure[]> {
  await using opened = await open({ engine: "sqlite", file });
  const { store, database } = opened;
  const [stream] = await database.write((tx) =>
    store.streams.ensure(tx, [{ owner: "bench", key: "0", mode: "history", unit: "", labels: {} }]),
  );
  const id = stream?.id ?? 0;
  await ingest(store, [...walk(id, Math.round((length * day) / spacing))]);
  await store.compact();
  const range = { from: start, to: start + length * day };
  const month = { from: start + 40 * day, to: start + 70 * day };
  const what = quick ? "a quarter" : "a year";
  const measure = async (name: string, asked: Question, target: number): Promise<Figure> => {
    const millis: number[] = [];
    for (let i = 0; i < 15; i++) millis.push(await timed(() => read(store, [id], asked)));
    return { name: `buckets: ${name}`, value: median(millis), unit: "ms", target: below(target) };
  };
  return [
    await measure(
      `${what} of 10 s points, mean in hours`,
      { range, interval: hours, figures: [figure("avg")] },
      5,
    ),
    await measure(
      `${what} of 10 s points, weighted mean in hours`,
      { range, interval: hours, figures: [figure("twa")] },
      5,
    ),
    await measure(
      `${what} of 10 s points, mean in 5 minutes`,
      { range, interval: fiveMinutes, figures: [figure("avg")] },
      30,
    ),
    await measure(
      "a month in days of Europe/Berlin",
      { range: month, interval: days, zone: "Europe/Berlin", figures: [figure("avg")] },
      2,
    ),
  ];
}

async function allStreams(file: string, points: number): Promise<readonly Figure[]> {
  await using opened = await open({ engine: "sqlite", file });
  const { store, database } = opened;
  const definitions = Array.from({ length: 1000 }, (_, i) => ({
    ...({ owner: "bench", key: `${i}`, mode: "history", unit: "", labels: {} } as const),
  }));
  const ids = (await database.write((tx) => store.streams.ensure(tx, definitions))).map(({ id }) => id);
  for (const id of ids) await ingest(store, [...walk(id, points)]);
  await store.compact();
  const range = { from: start, to: start + points * spacing };
  const millis: number[] = [];
  for (let i = 0; i < 7; i++)
    millis.push(await timed(() => read(store, ids, { range, interval: hours, figures: [figure("avg")] })));
  const name = `buckets: 1,000 streams of ${points.toLocaleString("en")} points, mean in hours`;
  return [{ name, value: median(millis), unit: "ms", target: below(60) }];
}

if (import.meta.main) console.log(tableOf(await bucketFigures(process.argv.includes("--quick"))));
