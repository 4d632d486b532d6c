import { setImmediate as nextTurn } from "node:timers/promises";
import type { ByteWriter as Bytes, ParquetWriter as Writer } from "hyparquet-writer";
import type { RowBatch, RowColumn, Rows } from "./rows.ts";

export const parquetType = "application/vnd.apache.parquet";

/** A row group is held in memory, and making it keeps the event loop: 0.2 µs a cell. */
const cellsPerGroup = 32_768;
/** Readers are slow with smaller ones. */
const minGroupRows = 128;

type Schema = ConstructorParameters<typeof Writer>[0]["schema"];
type Source = Parameters<Writer["write"]>[0]["columnData"][number];

/** Times are INT64 TIMESTAMP_MICROS (UTC), numbers DOUBLE; values that are no numbers stand as JSON text beside them. */
export async function* parquetPieces({ columns, batches }: Rows): AsyncGenerator<Uint8Array> {
  // Loaded when the first file is asked for.
  const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
  const bytes = new ByteWriter();
  const file = new ParquetWriter({ writer: bytes, schema: schemaOf(columns), createdBy: "busbar" });
  const groupRows = Math.max(minGroupRows, Math.floor(cellsPerGroup / (columns.length + 1)));
  for await (const group of regrouped(batches, groupRows)) {
    await file.write({ columnData: sourcesOf(columns, group), rowGroupSize: group.times.length });
    yield take(bytes);
    await nextTurn();
  }
  await file.finish();
  yield take(bytes);
}

/** The bytes written since the last call; the writer goes on counting from where it was. */
function take(bytes: Bytes): Uint8Array {
  const taken = bytes.getBytes().slice();
  bytes.index = 0;
  return taken;
}

function schemaOf(columns: readonly RowColumn[]): Schema {
  const elements = columns.flatMap(({ name, kind }): Schema => {
    if (kind === "stream")
      return [{ name, type: "INT32", converted_type: "UINT_32", repetition_type: "REQUIRED" }];
    const number = { name, type: "DOUBLE", repetition_type: "OPTIONAL" } as const;
    if (kind === "figure") return [number];
    return [
      number,
      { name: "json", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    ];
  });
  return [
    { name: "root", num_children: elements.length + 1 },
    {
      name: "time",
      type: "INT64",
      converted_type: "TIMESTAMP_MICROS",
      logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
      repetition_type: "REQUIRED",
    },
    ...elements,
  ];
}

function sourcesOf(columns: readonly RowColumn[], { times, columns: values, texts }: RowBatch): Source[] {
  const count = times.length;
  const sources: Source[] = [
    { name: "time", data: BigInt64Array.from(times, BigInt), encoding: "DELTA_BINARY_PACKED" },
  ];
  for (const [index, { name, kind }] of columns.entries()) {
    const column = values[index] ?? new Float64Array(count);
    if (kind === "stream") sources.push({ name, data: Uint32Array.from(column) });
    else sources.push({ name, data: Array.from(column, (value) => (Number.isNaN(value) ? null : value)) });
    if (kind === "value")
      sources.push({ name: "json", data: Array.from(times, (_time, row) => texts?.get(row) ?? null) });
  }
  return sources;
}

/** Batches of this many rows, the last one of fewer. */
async function* regrouped(batches: AsyncIterable<RowBatch>, rows: number): AsyncGenerator<RowBatch> {
  let kept: RowBatch[] = [];
  let count = 0;
  for await (const batch of batches) {
    for (let at = 0; at < batch.times.length; ) {
      const part = slice(batch, at, Math.min(batch.times.length, at + rows - count));
      kept.push(part);
      count += part.times.length;
      at += part.times.length;
      if (count < rows) continue;
      yield joined(kept);
      kept = [];
      count = 0;
    }
  }
  if (count > 0) yield joined(kept);
}

function slice({ times, columns, texts }: RowBatch, from: number, to: number): RowBatch {
  return {
    times: times.slice(from, to),
    columns: columns.map((column) => column.slice(from, to)),
    ...(texts ? { texts: textsBetween(texts, from, to) } : {}),
  };
}

const textsBetween = (
  texts: ReadonlyMap<number, string>,
  from: number,
  to: number,
): ReadonlyMap<number, string> =>
  new Map(
    [...texts].flatMap(([row, text]) => (row >= from && row < to ? [[row - from, text] as const] : [])),
  );

function joined(parts: readonly RowBatch[]): RowBatch {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const count = parts.reduce((sum, { times }) => sum + times.length, 0);
  const times = new Float64Array(count);
  const columns = (first?.columns ?? []).map((column) =>
    column instanceof Uint32Array ? new Uint32Array(count) : new Float64Array(count),
  );
  const texts = new Map<number, string>();
  let at = 0;
  for (const part of parts) {
    times.set(part.times, at);
    for (const [index, column] of columns.entries()) column.set(part.columns[index] ?? [], at);
    for (const [row, text] of part.texts ?? []) texts.set(at + row, text);
    at += part.times.length;
  }
  return { times, columns, ...(texts.size > 0 ? { texts } : {}) };
}
