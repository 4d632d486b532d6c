import { sql } from "kysely";
import { expect } from "vitest";
import type { Database } from "../src/kernel/database/engine.ts";
import { floorTo, quarterHour, storable, utcDay } from "../src/kernel/timeseries/buckets/cells.ts";
import { RunningSummary, type Summary } from "../src/kernel/timeseries/buckets/rollup.ts";
import { decodeRollups } from "../src/kernel/timeseries/buckets/rollup-codec.ts";
import { rowSummary } from "../src/kernel/timeseries/buckets/rollup-rows.ts";
import { decodeChunk } from "../src/kernel/timeseries/codec/chunk.ts";

type Cells = Map<string, ReturnType<typeof figuresOf>>;

const figuresOf = ({ sum, area, increase, ...plain }: Summary) => ({
  ...plain,
  sum: sum.value(),
  area: area.value(),
  increase: increase.value(),
});

/** The rollups in the database are exactly those that its chunks give. */
export async function expectSoundRollups(database: Database): Promise<void> {
  expect(await storedCells(database)).toEqual(await cellsOfChunks(database));
}

async function cellsOfChunks(database: Database): Promise<Cells> {
  const { rows } = await sql<{ stream_id: number; blob: Uint8Array }>`
    select stream_id, blob from chunks order by stream_id, start_time`.execute(database.read);
  const running = new Map<string, RunningSummary>();
  for (const { stream_id, blob } of rows) {
    const { times, values } = decodeChunk(blob);
    for (let i = 0; i < times.length; i++)
      for (const width of [quarterHour, utcDay]) {
        const key = `${stream_id} ${width} ${storable(floorTo(width, times[i] as number))}`;
        const summary = running.get(key) ?? new RunningSummary();
        running.set(key, summary);
        summary.addPoints(times, values, i, i + 1);
      }
  }
  return sorted([...running].map(([key, summary]) => [key, figuresOf(plain(summary))]));
}

/** The own columns of a summary, without its methods. */
const plain = (summary: Summary): Summary => ({ ...summary });

async function storedCells(database: Database): Promise<Cells> {
  const { rows } = await sql<{ stream_id: number; width: number; blob: Uint8Array }>`
    select stream_id, width, blob from rollups`.execute(database.read);
  return sorted(
    rows.flatMap(({ stream_id, width, blob }) => {
      const page = decodeRollups(blob);
      return Array.from(page.starts, (start, row) => {
        const key = `${stream_id} ${width} ${start}`;
        return [key, figuresOf(plain(rowSummary(page, row)))] as const;
      });
    }),
  );
}

const sorted = (cells: readonly (readonly [string, ReturnType<typeof figuresOf>])[]): Cells =>
  new Map(cells.toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** Chunks of a stream never overlap, and say how many points they hold. */
export async function expectSoundChunks(database: Database): Promise<void> {
  const { rows } = await sql<{ stream_id: number; start_time: number; end_time: number }>`
    select stream_id, start_time, end_time from chunks order by stream_id, start_time`.execute(database.read);
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    if (before?.stream_id === row.stream_id) expect(before.end_time).toBeLessThan(row.start_time);
    expect(row.end_time).toBeGreaterThanOrEqual(row.start_time);
  });
}
