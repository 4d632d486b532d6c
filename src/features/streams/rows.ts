/** Rows of an answer on their way to CSV, NDJSON or Parquet. */
export interface RowColumn {
  readonly name: string;
  /** `stream` is an id; a `value` may be any JSON value; a `figure` is a number or nothing. */
  readonly kind: "stream" | "value" | "figure";
}

export interface RowBatch {
  readonly times: Float64Array;
  /** One for each column; NaN where there is nothing, or where `texts` holds it. */
  readonly columns: readonly (Float64Array | Uint32Array)[];
  /** JSON text of the column of kind `value`, by row. */
  readonly texts?: ReadonlyMap<number, string>;
}

export interface Rows {
  readonly columns: readonly RowColumn[];
  readonly batches: AsyncIterable<RowBatch>;
}

/** Few enough cells that writing them takes a few milliseconds. */
const cellsPerPiece = 16_384;

/** How many rows make one piece of the answer. */
export const rowsPerPiece = (columns: number): number =>
  Math.max(1, Math.floor(cellsPerPiece / Math.max(1, columns)));

/** JSON text of a number; -0 keeps its sign, which JSON.stringify drops. */
export const numberText = (value: number): string =>
  value === 0 && Object.is(value, -0) ? "-0" : String(value);
