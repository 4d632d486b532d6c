import { numberText, type RowBatch, type RowColumn, type Rows, rowsPerPiece } from "./rows.ts";

export const ndjsonType = "application/x-ndjson; charset=utf-8";

/** One object a row: `{"time":1700000000000,"stream":12,"value":21.5}`. */
export async function* ndjsonPieces({ columns, batches }: Rows): AsyncGenerator<string> {
  const members = columns.map(({ name }: RowColumn) => `,${JSON.stringify(name)}:`);
  const step = rowsPerPiece(columns.length + 1);
  for await (const batch of batches)
    for (let from = 0; from < batch.times.length; from += step)
      yield objects(batch, members, from, Math.min(from + step, batch.times.length));
}

function objects(batch: RowBatch, members: readonly string[], from: number, to: number): string {
  let text = "";
  for (let row = from; row < to; row++) {
    text += `{"time":${(batch.times[row] as number) / 1000}`;
    for (const [index, column] of batch.columns.entries())
      text += members[index] + jsonCell(column[row] as number, batch.texts?.get(row));
    text += "}\n";
  }
  return text;
}

/** JSON text of a value. */
export const jsonCell = (value: number, text: string | undefined): string =>
  Number.isNaN(value) ? (text ?? "null") : numberText(value);
