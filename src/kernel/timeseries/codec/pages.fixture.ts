/** Arbitrary pages for the tests of the codecs. */
import fc from "fast-check";
import type { PointPage } from "../types.ts";

const bits = new DataView(new ArrayBuffer(8));

/** Any finite float64 by its bits, so that denormals and extremes are as likely as ordinary numbers. */
const doubleOfBits = fc
  .tuple(fc.nat({ max: 0xffffffff }), fc.nat({ max: 0xffffffff }))
  .map(([high, low]) => {
    bits.setUint32(0, high);
    bits.setUint32(4, low);
    return bits.getFloat64(0);
  })
  .filter(Number.isFinite);

const corners = fc.constantFrom(
  ...[
    0,
    -0,
    1,
    -1,
    0.1,
    1 / 3,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
  ],
  ...[
    2 ** 49,
    2 ** 50,
    2 ** 50 - 1,
    -(2 ** 50),
    2 ** 51,
    2 ** 52,
    2 ** 53,
    2 ** 53 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 29,
  ],
  ...[0.000000001, 1e-10, 123456.789, 2251799813685248.5, 1e21, 1e22, 1e23, 0.3, 1.1, 2.675],
);

const decimal = fc
  .tuple(fc.integer({ min: -(10 ** 9), max: 10 ** 9 }), fc.nat({ max: 9 }))
  .map(([integer, exponent]) => integer / 10 ** exponent);

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  doubleOfBits,
  corners,
  decimal,
);

/** Sums of steps, scaled: what sensors and counters send. */
const walkOf = (count: number): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      fc.constantFrom(0, 1, 50, 5_000, 10 ** 8, 2 ** 30, 2 ** 40),
      fc.boolean(),
      fc.nat({ max: 9 }),
      fc.integer({ min: -1_000_000, max: 1_000_000 }),
      fc.infiniteStream(fc.nat({ max: 0xffffffff })),
    )
    .map(([reach, rising, exponent, start, stream]) => {
      let level = start;
      return Array.from({ length: count }, () => {
        const share = stream.next().value / 2 ** 32;
        level += Math.round(rising ? share * reach : (share * 2 - 1) * reach);
        return level / 10 ** exponent;
      });
    });

const valuesOf = (count: number): fc.Arbitrary<number[]> =>
  fc.oneof(
    fc.array(anyNumber, { minLength: count, maxLength: count }),
    fc.array(decimal, { minLength: count, maxLength: count }),
    walkOf(count),
    walkOf(count),
    fc.tuple(walkOf(count), anyNumber, fc.nat()).map(([walk, stray, at]) => walk.with(at % count, stray)),
    anyNumber.map((value) => new Array<number>(count).fill(value)),
  );

const anyStart = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });

const timesOf = (count: number): fc.Arbitrary<number[]> =>
  fc.oneof(
    // Anywhere in the safe integers.
    fc
      .uniqueArray(anyStart, { minLength: count, maxLength: count })
      .map((times) => times.sort((a, b) => a - b)),
    // Steps as multiples of some unit, with jitter or gaps of any size.
    fc
      .tuple(
        fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
        fc.constantFrom(1, 7, 1000, 1_000_000, 10_000_000, 3_600_000_000),
        fc.array(
          fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 33 })),
          {
            minLength: count,
            maxLength: count,
          },
        ),
      )
      .map(([start, unit, steps]) => {
        let time = start;
        return steps.map((step) => {
          const from = time;
          time += step * unit;
          return from;
        });
      })
      .filter((times) => times.every((time) => Number.isSafeInteger(time))),
  );

const jsonText = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    "true",
    "false",
    "null",
    "[]",
    "{}",
    '""',
    '"on"',
    '"off"',
    '"21.5"',
    '"\u{1f321}\\ud800 °C"',
  ),
);

const textsOf = (count: number): fc.Arbitrary<Map<number, string>> =>
  fc.oneof(
    fc.constant(new Map<number, string>()),
    fc
      .array(fc.tuple(fc.nat({ max: count - 1 }), jsonText), { maxLength: 8 })
      .map((entries) => new Map(entries)),
    fc
      .array(fc.constantFrom("true", "false", '"a longer text that repeats"'), {
        minLength: count,
        maxLength: count,
      })
      .map((texts) => new Map(texts.entries())),
  );

export const pageOf = (
  times: readonly number[],
  values: readonly number[],
  texts?: Map<number, string>,
): PointPage => {
  const page = { times: Float64Array.from(times), values: Float64Array.from(values) };
  if (texts === undefined || texts.size === 0) return page;
  for (const index of texts.keys()) page.values[index] = Number.NaN;
  return { ...page, texts };
};

export const anyTexts = textsOf;
export const anyValues = valuesOf;

/** A page of 1 to 150 points, so that several blocks and an incomplete one occur. */
export const anyPage: fc.Arbitrary<PointPage> = fc
  .oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }))
  .chain((count) => fc.tuple(timesOf(count), valuesOf(count), textsOf(count)))
  .map(([times, values, texts]) => pageOf(times, values, texts));
