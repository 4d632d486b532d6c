import { invalidField } from "../../kernel/errors.ts";
import type { Aggregate } from "../../kernel/timeseries/buckets/aggregates.ts";
import type { BucketFigure, BucketTable, Condition } from "../../kernel/timeseries/buckets/query.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";
import {
  type Conversion,
  checkUnit,
  conversion,
  integralConversion,
  rounded,
  same,
  timesHours,
} from "../../kernel/units/conversion.ts";
import type { NamedFigure } from "./figures.ts";

/** A column of the answer: how it comes from those of the store. */
export interface Column {
  readonly stream: Stream;
  readonly agg: string;
  readonly unit: string;
  readonly figure: number;
  readonly conversion: Conversion;
  /** Of an integral whose unit has another zero: the figure that tells for how many seconds a value was known. */
  readonly known?: number;
}

export interface ColumnPlan {
  /** What the store is asked for, for every stream. */
  readonly figures: readonly BucketFigure[];
  /** All figures of the first stream first. */
  readonly columns: readonly Column[];
}

const hour = 3600;
/** Every number meets it, so that its duration is how long a value was known. */
const always: Condition = { operator: ">=", value: -Number.MAX_VALUE };

/**
 * @param unit what the values are wanted in; undefined: each stream's own
 * @throws Problem `invalid-request` where units do not fit, naming both
 */
export async function planColumns(
  streams: readonly Stream[],
  named: readonly NamedFigure[],
  unit: string | undefined,
): Promise<ColumnPlan> {
  if (unit !== undefined) await checkUnit(unit);
  const figures = new Figures();
  const columns: Column[] = [];
  for (const stream of streams) {
    const values = unit === undefined ? same : await conversion(stream.unit, unit);
    for (const { name, figure } of named)
      columns.push(
        figure.kind === "duration"
          ? durationColumn(stream, name, figure.condition, figures, fitting(values, stream, unit))
          : await aggregateColumn(stream, figure.aggregate, figures, values, unit),
      );
  }
  return { figures: figures.all, columns };
}

/** The same figure is asked for once, also where streams of several units need it. */
class Figures {
  readonly all: BucketFigure[] = [];
  readonly #numbers = new Map<string, number>();

  number(figure: BucketFigure): number {
    const text = JSON.stringify(figure);
    const number = this.#numbers.get(text) ?? this.all.push(figure) - 1;
    this.#numbers.set(text, number);
    return number;
  }
}

/** @throws Problem `invalid-request` */
export function fitting(found: Conversion | undefined, stream: Stream, unit: string | undefined): Conversion {
  if (found) return found;
  const own = stream.unit === "" ? "has no unit" : `is in ${JSON.stringify(stream.unit)}`;
  throw invalidField(
    "unit",
    `Stream ${stream.id} (${stream.key}) ${own}, which cannot be converted to ${JSON.stringify(unit)}.`,
  );
}

function durationColumn(
  stream: Stream,
  name: string,
  { operator, value }: Condition,
  figures: Figures,
  conversion: Conversion,
): Column {
  // The condition is in the unit asked for, the store compares in the stream's own.
  const own = conversion === same ? value : rounded((value - conversion.shift) / conversion.scale);
  const figure = figures.number({ kind: "duration", condition: { operator, value: own } });
  return { stream, agg: name, unit: "s", figure, conversion: same };
}

async function aggregateColumn(
  stream: Stream,
  aggregate: Aggregate,
  figures: Figures,
  values: Conversion | undefined,
  unit: string | undefined,
): Promise<Column> {
  const base = { stream, agg: aggregate, figure: figures.number({ kind: "aggregate", aggregate }) };
  if (aggregate === "count") return { ...base, unit: "", conversion: same };
  if (aggregate === "integral") return integralColumn(base, figures, values, unit);
  const fits = fitting(values, stream, unit);
  const shown = unit ?? stream.unit;
  if (aggregate === "increase") return { ...base, unit: shown, conversion: { scale: fits.scale, shift: 0 } };
  if (aggregate === "sum" && fits.shift !== 0)
    throw invalidField(
      "unit",
      `The sum of values in ${JSON.stringify(stream.unit)} cannot be converted to ${JSON.stringify(unit)}: ` +
        "the units have different zeros. Ask for avg.",
    );
  return { ...base, unit: shown, conversion: fits };
}

/** The store integrates over seconds; people count in hours: kW become kWh. */
async function integralColumn(
  base: Pick<Column, "stream" | "agg" | "figure">,
  figures: Figures,
  values: Conversion | undefined,
  unit: string | undefined,
): Promise<Column> {
  const { stream } = base;
  if (values === undefined) {
    const whole = unit === undefined ? undefined : await integralConversion(stream.unit, unit);
    const { scale } = fitting(whole, stream, unit);
    return { ...base, unit: unit ?? "", conversion: { scale: scale / hour, shift: 0 } };
  }
  const conversion = { scale: values.scale / hour, shift: values.shift / hour };
  const column = { ...base, unit: timesHours(unit ?? stream.unit), conversion };
  if (values.shift === 0) return column;
  return { ...column, known: figures.number({ kind: "duration", condition: always }) };
}

/** The answer's columns of a stretch; NaN where there is no figure. */
export function answerColumns(
  { figures, columns }: ColumnPlan,
  streams: readonly Stream[],
  table: BucketTable,
): readonly Float64Array[] {
  const places = new Map(streams.map((stream, index) => [stream.id, index * figures.length]));
  return columns.map(({ stream, figure, conversion, known }) => {
    const first = places.get(stream.id) ?? 0;
    const values = table.columns[first + figure] ?? new Float64Array();
    if (conversion === same) return values;
    const seconds = known === undefined ? undefined : table.columns[first + known];
    return values.map((value, row) => {
      const shift = seconds ? conversion.shift * (seconds[row] as number) : conversion.shift;
      return rounded(value * conversion.scale + shift);
    });
  });
}
