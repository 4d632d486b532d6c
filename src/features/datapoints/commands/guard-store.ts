import { sql } from "kysely";
import type { Queryable, Tx } from "../../../kernel/database/engine.ts";
import type { Millis } from "../../../kernel/time.ts";
import type { Guard } from "./guard.ts";
import { guardOf, guardRowOf, tables } from "./tables.ts";

export async function findGuard(db: Queryable, datapoint: number): Promise<Guard | undefined> {
  const row = await tables(db)
    .selectFrom("datapoint_guards")
    .selectAll()
    .where("datapoint_id", "=", datapoint)
    .executeTakeFirst();
  return row && guardOf(row);
}

/** Until the transaction ends nobody else passes, or changes, one of them. Ascending, so that two never wait for each other. */
export async function lockGuards(tx: Tx, datapoints: Iterable<number>): Promise<ReadonlyMap<number, Guard>> {
  const ids = [...new Set(datapoints)].sort((a, b) => a - b);
  if (ids.length === 0) return new Map();
  const present = await tables(tx)
    .selectFrom("datapoint_guards")
    .select("datapoint_id")
    .where("datapoint_id", "in", ids)
    .orderBy("datapoint_id")
    .execute();
  const guards = new Map<number, Guard>();
  for (const { datapoint_id: id } of present) {
    const row = await tables(tx)
      .updateTable("datapoint_guards")
      .set({ expiry: sql`expiry` })
      .where("datapoint_id", "=", id)
      .returningAll()
      .executeTakeFirst();
    if (row) guards.set(id, guardOf(row));
  }
  return guards;
}

/** An expiry that runs already keeps its begin; without one it stands still until the next command. */
export async function putGuard(tx: Tx, guard: Guard, before: Guard | undefined): Promise<void> {
  const row = guardRowOf(guard);
  const moved =
    guard.expiry && before?.expiry
      ? {
          safe_due: sql<
            number | null
          >`datapoint_guards.safe_due + ${guard.expiry.after - before.expiry.after}`,
        }
      : { safe_due: null, armed_by: null };
  await tables(tx)
    .insertInto("datapoint_guards")
    .values({ ...row, safe_due: null, armed_by: null })
    .onConflict((conflict) => conflict.column("datapoint_id").doUpdateSet({ ...row, ...moved }))
    .execute();
}

export async function removeGuard(tx: Tx, datapoint: number): Promise<void> {
  await tables(tx).deleteFrom("datapoint_guards").where("datapoint_id", "=", datapoint).execute();
}

/**
 * A value is about to go out: from now on something may be in force that expires. One that runs already goes on, since
 * the broker may not take the new value.
 */
export async function armExpiry(tx: Tx, datapoint: number, due: Millis, command: number): Promise<void> {
  await tables(tx)
    .updateTable("datapoint_guards")
    .set({ safe_due: due, armed_by: command })
    .where("datapoint_id", "=", datapoint)
    .where("expiry", "is not", null)
    .where("safe_due", "is", null)
    .execute();
}

/** The broker took a value: it is in force from then. */
export async function renewExpiry(tx: Tx, datapoint: number, takenAt: Millis): Promise<void> {
  await tables(tx)
    .updateTable("datapoint_guards")
    .set({ safe_due: sql<number>`expiry + ${takenAt}`, armed_by: null })
    .where("datapoint_id", "=", datapoint)
    .where("expiry", "is not", null)
    .execute();
}

/** The command never left. */
export async function disarmExpiry(tx: Tx, datapoint: number, command: number): Promise<void> {
  await tables(tx)
    .updateTable("datapoint_guards")
    .set({ safe_due: null, armed_by: null })
    .where("datapoint_id", "=", datapoint)
    .where("armed_by", "=", command)
    .execute();
}

/** The safe value did not reach the broker. */
export async function rearmExpiry(tx: Tx, datapoint: number, due: Millis): Promise<void> {
  await tables(tx)
    .updateTable("datapoint_guards")
    .set({ safe_due: due, armed_by: null })
    .where("datapoint_id", "=", datapoint)
    .where("expiry", "is not", null)
    .where("safe_due", "is", null)
    .execute();
}

/** Datapoints whose safe value is due. */
export async function listExpired(db: Queryable, now: Millis, limit: number): Promise<readonly number[]> {
  const rows = await tables(db)
    .selectFrom("datapoint_guards")
    .select("datapoint_id")
    .where("safe_due", "<=", now)
    .orderBy("safe_due")
    .limit(limit)
    .execute();
  return rows.map(({ datapoint_id }) => datapoint_id);
}

/** Whether the safe value was due; if so it is ours to send, and nobody else's. */
export async function claimExpiry(tx: Tx, datapoint: number, now: Millis): Promise<boolean> {
  const { numUpdatedRows } = await tables(tx)
    .updateTable("datapoint_guards")
    .set({ safe_due: null, armed_by: null })
    .where("datapoint_id", "=", datapoint)
    .where("safe_due", "<=", now)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
