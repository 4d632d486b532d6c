import fc from "fast-check";
import { expect, test } from "vitest";
import { mergePoints } from "./merge.ts";
import type { PointPage } from "./types.ts";

interface Row {
  readonly time: number;
  readonly source: number;
  readonly value: number | string;
}

async function* pagesOf(times: readonly number[], source: number, size: number): AsyncGenerator<PointPage> {
  for (let at = 0; at < times.length; at += size) {
    const part = times.slice(at, at + size);
    const texts = new Map(part.flatMap((time, i) => (isText(time) ? [[i, `"${source}"`] as const] : [])));
    yield {
      times: Float64Array.from(part),
      values: Float64Array.from(part, (time) => (isText(time) ? Number.NaN : time + source)),
      ...(texts.size > 0 ? { texts } : {}),
    };
    // An empty page means nothing.
    yield { times: new Float64Array(), values: new Float64Array() };
  }
}

const isText = (time: number): boolean => time % 7 === 0;

async function merged(sources: readonly AsyncIterable<PointPage>[]): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of mergePoints(sources))
    for (let i = 0; i < page.times.length; i++)
      rows.push({
        time: page.times[i] as number,
        source: page.sources[i] as number,
        value: page.texts?.get(i) ?? (page.values[i] as number),
      });
  return rows;
}

const stream = fc
  .uniqueArray(fc.integer({ min: 0, max: 300 }), { maxLength: 60 })
  .map((times) => times.toSorted((a, b) => a - b));

test("merging is sorting by time, then by source", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stream, { maxLength: 6 }),
      fc.integer({ min: 1, max: 20 }),
      async (all, size) => {
        const expected = all
          .flatMap((times, source) =>
            times.map((time): Row => ({ time, source, value: isText(time) ? `"${source}"` : time + source })),
          )
          .toSorted((a, b) => a.time - b.time || a.source - b.source);
        expect(await merged(all.map((times, source) => pagesOf(times, source, size)))).toEqual(expected);
      },
    ),
  );
});

test("long streams come in pages of bounded size, and ending early ends the sources", async () => {
  let ended = 0;
  async function* endless(): AsyncGenerator<PointPage> {
    try {
      for (let at = 0; ; at += 1000)
        yield {
          times: Float64Array.from({ length: 1000 }, (_, i) => at + i),
          values: new Float64Array(1000),
        };
    } finally {
      ended += 1;
    }
  }
  let pages = 0;
  for await (const page of mergePoints([endless(), endless()])) {
    expect(page.times.length).toBeLessThanOrEqual(4096);
    if (++pages === 10) break;
  }
  expect(ended).toBe(2);
});
