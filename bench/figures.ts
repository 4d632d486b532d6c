/** One measured thing, beside what is wanted of it and what bare means reach in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: Target;
  readonly floor?: Floor;
  /** In place of the comparison with the target, where more than one number decides. */
  readonly met?: boolean;
}

export interface Target {
  readonly value: number;
  readonly better: "more" | "less";
}

/** What the same machine does at the same moment without Busbar. */
export interface Floor {
  readonly name: string;
  readonly value: number;
}

export const atLeast = (value: number): Target => ({ value, better: "more" });
export const below = (value: number): Target => ({ value, better: "less" });

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

const columns = ["figure", "value", "target", "met", "floor of this run", "ratio"] as const;

/** A table for the terminal, which is valid Markdown, too. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [columns, ...figures.map(rowOf)];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body.map(line)].join(
    "\n",
  );
}

function rowOf(figure: Figure): readonly string[] {
  const { name, value, unit, target, floor } = figure;
  const sign = target?.better === "more" ? ">=" : "<";
  return [
    name,
    `${shown(value)} ${unit}`,
    target === undefined ? "" : `${sign} ${shown(target.value)}`,
    target === undefined && figure.met === undefined ? "" : isMet(figure) ? "yes" : "NO",
    floor === undefined ? "" : `${floor.name}: ${shown(floor.value)}`,
    floor === undefined ? "" : (value / floor.value).toFixed(2),
  ];
}

function isMet({ value, target, met }: Figure): boolean {
  if (met !== undefined) return met;
  if (target === undefined) return true;
  return target.better === "more" ? value >= target.value : value < target.value;
}

export const unmet = (figures: readonly Figure[]): readonly Figure[] =>
  figures.filter((figure) => !isMet(figure));

function shown(value: number): string {
  if (!Number.isFinite(value)) return "?";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
