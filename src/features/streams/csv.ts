import { zoneOffsets } from "../../kernel/timeseries/buckets/zones.ts";
import { rfc3339 } from "./instants.ts";
import type { CsvForm } from "./query.ts";
import { numberText, type RowBatch, type Rows, rowsPerPiece } from "./rows.ts";

export const csvType = "text/csv; charset=utf-8; header=present";

const lineEnd = "\r\n";
const byteOrderMark = "\ufeff";

/** RFC 4180, with a header line; times in the zone. */
export async function* csvPieces(
  { columns, batches }: Rows,
  form: CsvForm,
  zone: string,
): AsyncGenerator<string> {
  const names = ["time", ...columns.map(({ name }) => name)];
  const header = names.map((name) => textCell(name, form)).join(form.delimiter) + lineEnd;
  yield form.bom ? byteOrderMark + header : header;
  const step = rowsPerPiece(columns.length + 1);
  for await (const batch of batches)
    for (let from = 0; from < batch.times.length; from += step)
      yield lines(batch, from, Math.min(from + step, batch.times.length), form, zone);
}

function lines(batch: RowBatch, from: number, to: number, form: CsvForm, zone: string): string {
  const offsets = zoneOffsets(zone, batch.times[from] as number, batch.times[to - 1] as number);
  let text = "";
  let instant = "";
  for (let row = from; row < to; row++) {
    const time = batch.times[row] as number;
    // Streams that are read at the same times share the text, which takes the longest to make.
    if (row === from || time !== batch.times[row - 1]) instant = rfc3339(time, offsets);
    text += instant;
    for (const column of batch.columns)
      text += form.delimiter + cell(column[row] as number, batch, row, form);
    text += lineEnd;
  }
  return text;
}

function cell(value: number, { texts }: RowBatch, row: number, form: CsvForm): string {
  if (!Number.isNaN(value)) return numberCell(value, form);
  const json = texts?.get(row);
  return json === undefined ? "" : textCell(json.startsWith('"') ? String(JSON.parse(json)) : json, form);
}

/** Numbers are no formulas, whatever sign they begin with. */
function numberCell(value: number, { decimal }: CsvForm): string {
  const text = numberText(value);
  return decimal === "." ? text : text.replace(".", decimal);
}

/** What spreadsheets take for a formula when a text begins with it. */
const formula = /^[=+\-@\t\r]/;

/** A text of RFC 4180; an apostrophe keeps spreadsheets from running it. */
export function textCell(text: string, { delimiter }: CsvForm): string {
  const safe = formula.test(text) ? `'${text}` : text;
  return /["\r\n]/.test(safe) || safe.includes(delimiter) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
