import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstAfter, idText, isUpTo, parsePosition, positionText } from "./position.ts";
import { RecentRows } from "./recent-rows.ts";

const buckets = 3;

/** A row of some bucket with its batches, of so many points each; or a gap. */
const step = fc.record({
  bucket: fc.nat({ max: buckets - 1 }),
  batches: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }),
  missed: fc.boolean(),
});
const history = fc.array(step, { minLength: 1, maxLength: 60 });

interface Sent {
  readonly id: string;
  /** Bucket, row and point. */
  readonly place: string;
}

/** All events in the order they were sent, and the place of each. */
function play(rows: RecentRows, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  const seqs = [0, 0, 0];
  for (let bucket = 0; bucket < buckets; bucket++) rows.skipTo(bucket, 0);
  const sent: Sent[] = [];
  const gaps: number[] = [];
  for (const { bucket, batches, missed } of steps) {
    const seq = (seqs[bucket] ?? 0) + 1;
    seqs[bucket] = seq;
    if (missed && batches.length === 0) {
      rows.skipTo(bucket, seq);
      gaps.push(sent.length);
      continue;
    }
    rows.advance(bucket, seq);
    for (const count of batches) {
      const column = Array.from({ length: count }, (_, i) => i);
      rows.add(bucket, { count, streams: column, times: column, values: column });
    }
    const row = rows.at(rows.end - 1);
    const count = batches.reduce((sum, one) => sum + one, 0);
    for (let i = 0; i < count; i++)
      sent.push({ id: idText(row?.heads ?? "", bucket, i), place: `${bucket} ${seq} ${i}` });
  }
  return { sent, gaps };
}

function after(rows: RecentRows, id: string): readonly string[] {
  const position = parsePosition(id, buckets);
  if (!position) throw new Error(`${id} is no position`);
  const places: string[] = [];
  for (let number = rows.begin; number < rows.end; number++) {
    const row = rows.at(number);
    if (!row) continue;
    const from = Math.max(0, firstAfter(position, row.bucket, row.seq) - row.offset);
    for (let i = from; i < row.streams.length; i++) places.push(`${row.bucket} ${row.seq} ${row.offset + i}`);
  }
  return places;
}

describe("rows kept for those who come back", () => {
  test("after the id of any event come exactly the later ones, or it is said that they are not all there", () => {
    fc.assert(
      fc.property(history, fc.constantFrom(1_000_000, 3000, 900), (steps, maxBytes) => {
        const rows = new RecentRows(maxBytes);
        const { sent, gaps } = play(rows, steps);
        for (const [index, { id }] of sent.entries()) {
          const position = parsePosition(id, buckets);
          if (!position) throw new Error(`${id} is no position`);
          const lost = gaps.some((at) => at > index);
          if (rows.covers(position)) {
            expect(lost).toBe(false);
            expect(after(rows, id)).toEqual(sent.slice(index + 1).map(({ place }) => place));
          } else expect(maxBytes < 1_000_000 || lost).toBe(true);
        }
        expect(rows.bytes).toBeLessThanOrEqual(maxBytes);
      }),
    );
  });

  test("nothing comes after the place where all is known", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const rows = new RecentRows(1_000_000);
        const { sent } = play(rows, steps);
        const end = { seqs: [...rows.heads] };
        expect(rows.covers(end)).toBe(true);
        expect(after(rows, positionText(end))).toEqual([]);
        for (const { id } of sent) {
          const position = parsePosition(id, buckets);
          expect(position && isUpTo(position, end)).toBe(true);
        }
        rows.clear();
        expect(rows.covers(end)).toBe(true);
        expect(rows.bytes).toBe(0);
      }),
    );
  });

  test("places go there and back as text; anything else is none", () => {
    const seq = fc.nat({ max: 2 ** 40 });
    const place = fc.record(
      {
        seqs: fc.array(seq, { minLength: buckets, maxLength: buckets }),
        within: fc.record({ bucket: fc.nat({ max: buckets - 1 }), index: fc.nat() }),
      },
      { requiredKeys: ["seqs"] },
    );
    fc.assert(
      fc.property(place, (position) => {
        expect(parsePosition(positionText(position), buckets)).toEqual(position);
        expect(parsePosition(positionText(position), buckets + 1)).toBeUndefined();
        expect(isUpTo(position, position)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const position = parsePosition(text, buckets);
        if (position) expect(positionText(position).length).toBeLessThanOrEqual(text.length);
      }),
    );
    for (const text of [
      "",
      "1.2",
      "1.2.3-",
      "1.2.3-3-0",
      "1.2.3-0",
      "-1.2.3",
      "1..3",
      "1.2.3-0-0-0",
      "A.B.C",
    ])
      expect(parsePosition(text, buckets), text).toBeUndefined();
  });
});
