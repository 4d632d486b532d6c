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

/** @throws RangeError when there are not as many starts as summaries */
export const rollupPage = (starts: ArrayLike<Micros>, summaries: readonly Summary[]): RollupPage => {
  if (starts.length !== summaries.length) {
    throw new RangeError(`${starts.length} starts do not fit ${summaries.length} summaries.`);
  }
  const column = (of: (summary: Summary) => number): Float64Array => collect(summaries, of);
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
  const totalColumn = (name: TotalName): TotalColumn =>
    columnOf(totals.map((entry, row) => (wide.has(row) ? undefined : entry[name])));
  return {
    starts: Float64Array.from(starts),
    count: column(({ count }) => count),
    numeric: column(({ numeric }) => numeric),
    min: column(({ min }) => min),
    max: column(({ max }) => max),
    first: column(({ first }) => first),
    firstTime: column(({ firstTime }) => firstTime),
    last: column(({ last }) => last),
    lastTime: column(({ lastTime }) => lastTime),
    exponent,
    sum: totalColumn("sum"),
    area: totalColumn("area"),
    increase: totalColumn("increase"),
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
  const lo = part(({ decimal }) => decimal.lo);
  const binaryHi = part(({ binary }) => binary.hi);
  const binaryLo = part(({ binary }) => binary.lo);
  return {
    hi: part(({ decimal }) => decimal.hi),
    ...(isZero(lo) ? {} : { lo }),
    ...(isZero(binaryHi) ? {} : { binaryHi }),
    ...(isZero(binaryLo) ? {} : { binaryLo }),
  };
};

/** Float64Array.from goes by an iterator, which takes ten times as long. */
const collect = <T>(items: readonly T[], of: (item: T) => number): Float64Array => {
  const column = new Float64Array(items.length);
  for (let i = 0; i < column.length; i++) column[i] = of(items[i] as T);
  return column;
};

const isZero = (column: Float64Array): boolean => column.every((value) => value === 0);
