import type { Queryable, Tx } from "../../kernel/database/engine.ts";
import type { Millis } from "../../kernel/time.ts";
import { tables } from "./tables.ts";

/** Something retained on the broker that nobody keeps up any more, and what is empty for its readers. */
export interface Clearing {
  readonly topic: string;
  readonly payload: string;
}

export async function addClearings(tx: Tx, clearings: readonly Clearing[], now: Millis): Promise<void> {
  await tables(tx)
    .insertInto("retained_clearings")
    .values(clearings.map((clearing) => ({ ...clearing, since: now })))
    .onConflict((conflict) => conflict.column("topic").doNothing())
    .execute();
}

export const listClearings = (db: Queryable): Promise<readonly Clearing[]> =>
  tables(db).selectFrom("retained_clearings").select(["topic", "payload"]).execute();

export const removeClearing = (tx: Tx, topic: string): Promise<void> => removeClearings(tx, [topic]);

/** The topics are done, or in use again. */
export async function removeClearings(tx: Tx, topics: readonly string[]): Promise<void> {
  await tables(tx).deleteFrom("retained_clearings").where("topic", "in", topics).execute();
}
