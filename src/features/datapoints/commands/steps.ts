import { sql } from "kysely";
import { bit } from "../../../kernel/database/columns.ts";
import type { Tx } from "../../../kernel/database/engine.ts";
import type { Millis } from "../../../kernel/time.ts";
import { textOfPoint } from "../values.ts";
import type { Command, ReadBack } from "./model.ts";
import { type CommandRow, commandOf, tables } from "./tables.ts";

/** Steps in the life of commands. Each changes only those that may take it, and gives those that did. */

const rowsPerStatement = 500;

export async function markPublished(tx: Tx, id: number, at: Millis): Promise<readonly Command[]> {
  const rows = await tables(tx)
    .updateTable("commands")
    .set({ state: "published", published_at: at })
    .where("id", "=", id)
    .where("state", "=", "accepted")
    .returningAll()
    .execute();
  return rows.map(commandOf);
}

export interface Taken {
  readonly id: number;
  readonly datapoint: number;
  readonly publishedAt: Millis;
  readonly takenAt: Millis;
}

/** The broker has them: final where nothing is to be read back. In the order given. */
export async function markTaken(tx: Tx, taken: readonly Taken[]): Promise<readonly Command[]> {
  const found = new Map<number, Command>();
  for (let at = 0; at < taken.length; at += rowsPerStatement) {
    const part = taken
      .slice(at, at + rowsPerStatement)
      .map(
        ({ id, publishedAt, takenAt }) =>
          sql`(cast(${id} as bigint), cast(${publishedAt} as bigint), cast(${takenAt} as bigint))`,
      );
    const { rows } = await sql<CommandRow>`
      update commands set published_at = v.column2, taken_at = v.column3,
        state = case when feedback_id is null then 'delivered' else 'taken' end,
        finished_at = case when feedback_id is null then v.column3 end,
        deadline = v.column3 + within, due = v.column3 + within
      from (values ${sql.join(part)}) as v
      where commands.id = v.column1 and state in ('accepted', 'published')
      returning *`.execute(tx);
    for (const row of rows) found.set(row.id, commandOf(row));
  }
  return taken.flatMap(({ id }) => found.get(id) ?? []);
}

export interface Failure {
  readonly id: number;
  readonly at: Millis;
  readonly reason: string;
  /** Null: it never left. Undefined: nobody knows. */
  readonly publishedAt: Millis | null | undefined;
}

export async function markFailed(tx: Tx, failure: Failure): Promise<readonly Command[]> {
  const { id, at, reason, publishedAt } = failure;
  const rows = await tables(tx)
    .updateTable("commands")
    .set({
      state: "failed",
      reason,
      finished_at: at,
      due: null,
      ...(publishedAt === undefined ? {} : { published_at: publishedAt, written: bit(publishedAt !== null) }),
    })
    .where("id", "=", id)
    .where("state", "in", ["accepted", "published"])
    .returningAll()
    .execute();
  return rows.map(commandOf);
}

/** How a command that the broker has taken ends. */
export interface Outcome {
  readonly id: number;
  readonly state: "confirmed" | "diverged" | "expired" | "superseded";
  readonly at: Millis;
  readonly reason: string | null;
  readonly readBack: ReadBack | null;
  readonly supersededBy: number | null;
}

/** @param punctual only if `at` is not behind the deadline */
export async function markOutcome(tx: Tx, outcome: Outcome, punctual = false): Promise<readonly Command[]> {
  const { id, state, at, reason, readBack, supersededBy } = outcome;
  let query = tables(tx)
    .updateTable("commands")
    .set({
      state,
      reason,
      finished_at: at,
      due: null,
      read_value: readBack ? textOfPoint(readBack.value) : null,
      read_time: readBack?.time ?? null,
      superseded_by: supersededBy,
    })
    .where("id", "=", id)
    .where("state", "=", "taken");
  if (punctual) query = query.where("deadline", ">=", at);
  return (await query.returningAll().execute()).map(commandOf);
}
