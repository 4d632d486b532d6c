import { type RawBuilder, sql } from "kysely";
import type { Tx } from "../../kernel/database/engine.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import type { Datapoint, StreamKind } from "./model.ts";
import { chunks, rowOf, tables, textOrNull } from "./tables.ts";

/** Updates of many datapoints at once: some hundred rows per statement. */

const idsPerStatement = 1000;
const rowsPerStatement = 500;

/** Writes everything but id and streams. Short names may change hands within the list. */
export async function updateDatapoints(tx: Tx, datapoints: readonly Datapoint[]): Promise<void> {
  const ids = datapoints.map((datapoint) => datapoint.id);
  for (const part of chunks(ids, idsPerStatement))
    await tables(tx).updateTable("datapoints").set({ short_name: null }).where("id", "in", part).execute();
  const columns = Object.keys(rowTypes);
  const assignments = columns.map(
    (name, index) => sql`${sql.ref(name)} = v.${sql.ref(`column${index + 2}`)}`,
  );
  for (const part of chunks(datapoints, rowsPerStatement)) {
    const rows = part.map((datapoint) => valuesRow(datapoint.id, Object.entries(rowOf(datapoint))));
    await updateFrom(assignments, rows).execute(tx);
  }
}

/** The type each column's parameters are cast to: in a VALUES list neither engine infers them. */
const rowTypes: Readonly<Record<keyof ReturnType<typeof rowOf>, string>> = {
  connector_id: "bigint",
  key_in_connector: "text",
  type: "text",
  is_active: "smallint",
  data_format: "text",
  short_name: "text",
  description: "text",
  unit: "text",
  allowed_values: "text",
  min_value: "double precision",
  max_value: "double precision",
  example_value: "text",
};

function valuesRow(id: number, columns: readonly (readonly [string, unknown])[]): RawBuilder<unknown> {
  const cells = columns.map(
    ([name, value]) => sql`cast(${value} as ${sql.raw(rowTypes[name as keyof typeof rowTypes])})`,
  );
  return sql`(cast(${id} as bigint), ${sql.join(cells)})`;
}

/** Both engines name the columns of a VALUES list column1, column2, … */
const updateFrom = (assignments: readonly RawBuilder<unknown>[], rows: readonly RawBuilder<unknown>[]) =>
  sql`update datapoints set ${sql.join(assignments)} from (values ${sql.join(rows)}) as v
      where datapoints.id = v.column1`;

export async function updateExamples(
  tx: Tx,
  examples: readonly { readonly id: number; readonly example: unknown }[],
): Promise<void> {
  for (const part of chunks(examples, rowsPerStatement)) {
    const rows = part.map(({ id, example }) => valuesRow(id, [["example_value", textOrNull(example)]]));
    await updateFrom([sql`example_value = v.column2`], rows).execute(tx);
  }
}

export async function setStreams(
  tx: Tx,
  kind: StreamKind,
  streams: readonly { readonly id: number; readonly stream: StreamId }[],
): Promise<void> {
  for (const part of chunks(streams, rowsPerStatement)) {
    const rows = part.map(({ id, stream }) => sql`(cast(${id} as bigint), cast(${stream} as bigint))`);
    await updateFrom([sql`${sql.ref(`${kind}_stream`)} = v.column2`], rows).execute(tx);
  }
}
