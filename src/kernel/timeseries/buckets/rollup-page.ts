import type { Micros } from "../../time.ts";
import type { Summary } from "./rollup.ts";
import type { Total } from "./total.ts";

/** Totals by row: (hi + lo) * 10^-exponent + binaryHi + binaryLo, exactly; a column that is all 0 is absent. */
export interface TotalColumn {
  readonly hi: Float64Array;
  readonly lo?: Float64Array;
  readonly binaryHi?: Float64Array;
  readonly binaryLo?: Float64Array;
}

export const totalNames = ["sum", "area", "increase"] as const;
export type TotalName = (typeof totalNames)[number];

/** Summaries of a stream's pieces (of 15 minutes, of a day), one a row, in columns; ascending by `starts`. */
export interface RollupPage {
  /** Where the piece starts; its points are at or after it. */
  readonly starts: Float64Array;
  readonly count: Float64Array;
  readonly numeric: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly first: Float64Array;
  readonly firstTime: Float64Array;
  readonly last: Float64Array;
  readonly lastTime: Float64Array;
  /** The decimals of all totals' `hi` and `lo`. */
  readonly exponent: number;
  readonly sum: TotalColumn;
  readonly area: TotalColumn;
  readonly increase: TotalColumn;
  /** The totals of rows that do not fit the columns (which are 0 there): only values of extreme spread need it. */
  readonly wide?: ReadonlyMap<number, Readonly<Record<TotalName, Total>>>;
}

export type NumberName = "count" | "numeric" | "min" | "max" | "first" | "firstTime" | "last" | "lastTime";

/** The columns of a page beside the starts and the totals. */
export const numberColumns = (of: (name: NumberName) => Float64Array): Record<NumberName, Float64Array> => ({
  count: of("count"),
  numeric: of("numeric"),
  min: of("min"),
  max: of("max"),
  first: of("first"),
  firstTime: of("firstTime"),
  last: of("last"),
  lastTime: of("lastTime"),
});

/** Without the parts that are absent or nothing but 0. */
export const totalColumn = (
  hi: Float64Array,
  of: (part: "lo" | "binaryHi" | "binaryLo") => Float64Array | undefined,
): TotalColumn => {
  const lo = of("lo");
  const binaryHi = of("binaryHi");
  const binaryLo = of("binaryLo");
  return {
    hi,
    ...(lo === undefined || isZero(lo) ? {} : { lo }),
    ...(binaryHi === undefined || isZero(binaryHi) ? {} : { binaryHi }),
    ...(binaryLo === undefined || isZero(binaryLo) ? {} : { binaryLo }),
  };
};

/** @throws RangeError when there are not as many starts as summaries */
export const rollupPage = (starts: ArrayLike<Micros>, summaries: readonly Summary[]): RollupPage => {
  if (starts.length !== summaries.length) {
    throw new RangeError(`${starts.length} starts do not fit ${summaries.length} summaries.`);
  }
  const totals = summaries.map(({ sum, area, increase }) => ({
    sum: normal(sum),
    area: normal(area),
    increase: normal(increase),
  }));
  const exponent = commonExponent(totals.flatMap((row) => [row.sum, row.area, row.increase]));
  const wide = new Map<number, Record<TotalName, Total>>();
  for (const [row, entry] of totals.entries()) {
    for (const name of totalNames) normal(entry[name], exponent);
    if (totalNames.some((name) => entry[name].decimal.isWide || entry[name].binary.isWide))
      wide.set(row, entry);
  }
  const column = (name: TotalName): TotalColumn =>
    columnOf(totals.map((entry, row) => (wide.has(row) ? undefined : entry[name])));
  return {
    starts: Float64Array.from(starts),
    ...numberColumns((name) => collect(summaries, (summary) => summary[name])),
    exponent,
    sum: column("sum"),
    area: column("area"),
    increase: column("increase"),
    ...(wide.size > 0 ? { wide } : {}),
  };
};

/** A copy in its normal form, at the exponent; in place when it is one already. */
const normal = (total: Total, exponent?: number): Total => {
  const copy = exponent === undefined ? total.copy() : total;
  copy.rescale(exponent ?? 0);
  copy.decimal.normalize();
  copy.binary.normalize();
  return copy;
};

const commonExponent = (totals: readonly Total[]): number =>
  totals.reduce(
    (greatest, { exponent, decimal }) => (decimal.isZero ? greatest : Math.max(greatest, exponent)),
    0,
  );

const columnOf = (totals: readonly (Total | undefined)[]): TotalColumn => {
  const part = (of: (total: Total) => number): Float64Array =>
    collect(totals, (total) => (total === undefined ? 0 : of(total)));
  const parts = {
    lo: part(({ decimal }) => decimal.lo),
    binaryHi: part(({ binary }) => binary.hi),
    binaryLo: part(({ binary }) => binary.lo),
  };
  return totalColumn(
    part(({ decimal }) => decimal.hi),
    (name) => parts[name],
  );
};

/** Float64Array.from goes by an iterator, which takes ten times as long. */
const collect = <T>(items: readonly T[], of: (item: T) => number): Float64Array => {
  const column = new Float64Array(items.length);
  for (let i = 0; i < column.length; i++) column[i] = of(items[i] as T);
  return column;
};

const isZero = (column: Float64Array): boolean => column.every((value) => value === 0);
