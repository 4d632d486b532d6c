import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aggregate, aggregateBuckets, aggregates } from "./aggregates.ts";
import { duration } from "./duration.ts";
import { bucketIndex } from "./edges.ts";
import { fillGaps } from "./fill.ts";
import { RunningSummary, type Summary, summarizeRange } from "./rollup.ts";

/** A minute of whole microseconds, in which a walk from one to the next is cheap. */
const end = 60;

interface Plain {
  readonly time: number;
  /** NaN stands for a text. */
  readonly value: number;
}

const plainPoints = fc
  .uniqueArray(
    fc.record({
      time: fc.integer({ min: -10, max: end - 1 }),
      value: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: -500, max: 500 }).map((n) => n / 10) },
        fc.constant(Number.NaN),
      ),
    }),
    { selector: ({ time }) => time, maxLength: 25 },
  )
  .map((points) => points.sort((a, b) => a.time - b.time));
const plainEdges = fc
  .uniqueArray(fc.integer({ min: 1, max: end - 1 }), { maxLength: 6 })
  .map((edges) => Float64Array.from([0, ...edges.sort((a, b) => a - b), end]));

/** The value at each microsecond from -10 on; undefined while none is known. */
const heldAt = (points: readonly Plain[], time: number): number | undefined =>
  points.findLast((point) => point.time <= time && !Number.isNaN(point.value))?.value;

const tenth = (value: number): number => Math.round(value * 10);

/** Each figure by its definition, in whole tenths; null where it is not known. */
const plainFigure = (name: string, points: readonly Plain[], from: number, to: number): number | null => {
  const inside = points.filter(({ time }) => time >= from && time < to);
  const numbers = inside.map(({ value }) => value).filter((value) => !Number.isNaN(value));
  if (name === "count") return inside.length;
  if (name === "increase") {
    const all = [heldAt(points, from - 1), ...numbers].filter((value) => value !== undefined);
    const rises = all.slice(1).map((value, i) => Math.max(0, tenth(value) - tenth(all[i] ?? 0)));
    return all.length === 0 ? null : rises.reduce((a, b) => a + b, 0) / 10;
  }
  if (name === "twa" || name === "integral") {
    const held = Array.from({ length: to - from }, (_, i) => heldAt(points, from + i)).filter(
      (v) => v !== undefined,
    );
    const area = held.reduce((sum, value) => sum + tenth(value), 0) / 10;
    return held.length === 0 ? null : area / (name === "twa" ? held.length : 1e6);
  }
  if (numbers.length === 0) return null;
  const sum = numbers.reduce((total, value) => total + tenth(value), 0) / 10;
  if (name === "sum") return sum;
  if (name === "avg") return sum / numbers.length;
  if (name === "min") return Math.min(...numbers);
  if (name === "max") return Math.max(...numbers);
  return (name === "first" ? numbers.at(0) : numbers.at(-1)) ?? null;
};

const columns = (points: readonly Plain[]) => ({
  times: Float64Array.from(points, ({ time }) => time),
  values: Float64Array.from(points, ({ value }) => value),
});

const summariesOf = (points: readonly Plain[], edges: Float64Array): (Summary | undefined)[] => {
  const { times, values } = columns(points);
  return [...edges.slice(0, -1)].map((_, bucket) => {
    const indexes = [...times.keys()].filter((i) => bucketIndex(edges, times[i] ?? 0) === bucket);
    const from = indexes.at(0);
    return from === undefined ? undefined : summarizeRange(times, values, from, from + indexes.length);
  });
};

describe("aggregates", () => {
  it.each(aggregates)("give %s as its definition does", (name) => {
    fc.assert(
      fc.property(plainPoints, plainEdges, (points, edges) => {
        const column = aggregateBuckets(name, edges, summariesOf(points, edges), heldAt(points, -1));
        const expected = [...edges.slice(0, -1)].map(
          (edge, i) => plainFigure(name, points, edge, edges[i + 1] ?? 0) ?? Number.NaN,
        );
        expect([...column].map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
      }),
    );
  });

  it("know nothing of a value after now", () => {
    const summary = summarizeRange(Float64Array.of(10), Float64Array.of(5), 0, 1);
    expect(aggregate("twa", summary, { from: 0, to: 60 }, undefined)).toBe(5);
    expect(aggregate("integral", summary, { from: 0, to: 20 }, 1)).toBe((10 * 1 + 10 * 5) / 1e6);
    expect(aggregate("integral", undefined, { from: 0, to: 20 }, undefined)).toBeNull();
    const edges = Float64Array.of(0, 20, 40, 60);
    expect([...aggregateBuckets("integral", edges, [summary], undefined, 30)]).toEqual([
      5e-5,
      5e-5,
      Number.NaN,
    ]);
  });

  it("leave the summary as it is", () => {
    const summary = new RunningSummary();
    summary.addPoints(Float64Array.of(10, 20), Float64Array.of(5, 7.5), 0, 2);
    for (const name of aggregates) aggregate(name, summary, { from: 0, to: 100 }, 1.25);
    expect(summary.area.value()).toBe(50);
    expect(summary.increase.value()).toBe(2.5);
  });
});

describe("duration", () => {
  it("is how long the condition held", () => {
    fc.assert(
      fc.property(plainPoints, fc.integer({ min: -500, max: 500 }), (points, limit) => {
        const { times, values } = columns(points);
        const meets = (value: number): boolean => value * 10 > limit;
        const from = points.findIndex(({ time }) => time >= 0);
        const held = duration(
          times,
          values,
          from < 0 ? times.length : from,
          times.length,
          { from: 0, to: end },
          heldAt(points, -1),
          meets,
        );
        const each = Array.from({ length: end }, (_, time) => heldAt(points, time));
        const known = each.filter((value) => value !== undefined);
        expect(held).toBe(known.length === 0 ? null : known.filter(meets).length);
      }),
    );
  });
});

describe("fillGaps", () => {
  const edges = Float64Array.of(0, 10, 20, 50, 60, 70);
  const column = Float64Array.of(Number.NaN, 1, Number.NaN, Number.NaN, 6, Number.NaN);

  it("leaves, repeats or draws a line", () => {
    const { NaN: none } = Number;
    expect([...fillGaps("null", edges, column)]).toEqual([none, 1, none, none, 6, none]);
    expect([...fillGaps("previous", edges, column)]).toEqual([none, 1, 1, 1, 6, 6]);
    expect([...fillGaps("previous", edges, column, 9)]).toEqual([9, 1, 1, 1, 6, 6]);
    expect([...fillGaps("linear", edges, column)]).toEqual([none, 1, 2, 5, 6, none]);
  });

  it("does what a search in both directions finds", () => {
    const values = fc.array(fc.option(fc.integer({ min: -1000, max: 1000 }), { nil: Number.NaN }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(values, (figures) => {
        const axis = Float64Array.from(figures, (_, i) => i * 8);
        const previous = fillGaps("previous", axis, Float64Array.from(figures));
        const linear = fillGaps("linear", axis, Float64Array.from(figures));
        for (const [i, figure] of figures.entries()) {
          const a = figures.findLastIndex((value, at) => at <= i && !Number.isNaN(value));
          const b = figures.findIndex((value, at) => at >= i && !Number.isNaN(value));
          const [start, stop] = [figures[a] ?? Number.NaN, figures[b] ?? Number.NaN];
          expect(previous[i]).toBe(start);
          if (a === b || a < 0 || b < 0) expect(linear[i]).toBe(figure);
          else expect(linear[i]).toBeCloseTo(start + ((stop - start) * (i - a)) / (b - a), 9);
        }
      }),
    );
  });

  it("does not overflow between extremes", () => {
    const extremes = Float64Array.of(-Number.MAX_VALUE, Number.NaN, Number.MAX_VALUE);
    expect([...fillGaps("linear", Float64Array.of(0, 1, 2), extremes)][1]).toBe(0);
  });
});
