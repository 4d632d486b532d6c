import { invalidField } from "../../kernel/errors.ts";
import { type Aggregate, aggregates } from "../../kernel/timeseries/buckets/aggregates.ts";
import type { BucketFigure, Condition } from "../../kernel/timeseries/buckets/query.ts";

/** A figure and the name its columns have. */
export interface NamedFigure {
  readonly name: string;
  readonly figure: BucketFigure;
}

const comparison = /^\s*(<=|>=|!=|==|<|>|=)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)\s*$/i;
const inParentheses = /^duration\s*\(([^()]*)\)$/i;
const maxFigures = 20;

/**
 * A comma list such as `avg,max,duration(>21)`; `duration` alone takes `condition`.
 * @throws Problem `invalid-request` naming `agg` or `condition`
 */
export function readFigures(agg: string | undefined, condition: string | undefined): readonly NamedFigure[] {
  const given = condition === undefined || condition.trim() === "" ? undefined : condition;
  const names = (agg ?? "avg")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const figures = new Map<string, NamedFigure>();
  for (const name of names) {
    const figure = readFigure(name, given);
    figures.set(figure.name, figure);
  }
  if (figures.size === 0) throw invalidField("agg", `It names no figure. ${known}`);
  if (figures.size > maxFigures)
    throw invalidField("agg", `It names ${figures.size} figures; ${maxFigures} are the most.`);
  if (given !== undefined && !names.some((name) => /^duration$/i.test(name)))
    throw invalidField("condition", "Only the figure duration takes a condition: add it to agg.");
  return [...figures.values()];
}

const known = `Known are ${aggregates.join(", ")} and duration(CONDITION), as in duration(>21).`;

function readFigure(name: string, condition: string | undefined): NamedFigure {
  const aggregate = aggregates.find((one): one is Aggregate => one === name.toLowerCase());
  if (aggregate) return { name: aggregate, figure: { kind: "aggregate", aggregate } };
  const inner = inParentheses.exec(name)?.[1];
  if (inner !== undefined) return durationOf(readCondition("agg", inner));
  if (!/^duration$/i.test(name))
    throw invalidField("agg", `${JSON.stringify(name.slice(0, 60))} is no figure. ${known}`);
  if (condition === undefined)
    throw invalidField("condition", "duration needs one: condition=>21, or duration(>21) in agg.");
  return durationOf(readCondition("condition", condition));
}

const durationOf = (condition: Condition): NamedFigure => ({
  name: `duration(${condition.operator}${condition.value})`,
  figure: { kind: "duration", condition },
});

function readCondition(field: string, text: string): Condition {
  const [, operator = "", number = ""] = comparison.exec(text) ?? [];
  const value = Number(number);
  if (operator === "" || !Number.isFinite(value))
    throw invalidField(
      field,
      `${JSON.stringify(text.slice(0, 60))} is no condition. Write <, <=, >, >=, = or != and a number.`,
    );
  return { operator: operator === "==" ? "=" : (operator as Condition["operator"]), value };
}
