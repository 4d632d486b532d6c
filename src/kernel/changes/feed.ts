import { sql } from "kysely";
import type { Database } from "../database/engine.ts";
import type { RecordedChange } from "./changes.ts";
import { type ChangeRow, changesTable, fromRow } from "./store.ts";

/** Reads what other processes have committed since the last look: each change once, none left out. */
export interface Feed {
  next(): Promise<readonly RecordedChange[]>;
}

/** Begins at the present: the first `next` gives what is committed after this call. */
export const openFeed = (database: Database, node: string): Promise<Feed> =>
  database.engine === "sqlite" ? openNumberFeed(database, node) : openSnapshotFeed(database, node);

/** One writer at a time: numbers become visible in their order, so the last one seen is a sound place to go on from. */
async function openNumberFeed(database: Database, node: string): Promise<Feed> {
  const db = changesTable(database.read);
  const last = await db.selectFrom("changes").select("id").orderBy("id", "desc").limit(1).executeTakeFirst();
  let seen = last?.id ?? 0;
  return {
    next: async () => {
      const rows = await db.selectFrom("changes").selectAll().where("id", ">", seen).orderBy("id").execute();
      seen = rows.at(-1)?.id ?? seen;
      return rows.filter((row) => row.node !== node).map(fromRow);
    },
  };
}

/**
 * Writers side by side: what is visible now and was not in the snapshot of the last look, by PostgreSQL's own rule of
 * visibility. A slow transaction is found whenever it commits, however many numbers have passed it.
 */
async function openSnapshotFeed(database: Database, node: string): Promise<Feed> {
  const db = database.read;
  // Rows restored from another cluster carry its transaction numbers, which mean nothing here and would look new at
  // every look. Visible, and yet not in the snapshot: that is only them.
  await sql`
    update changes set xact = '3'
    where xact >= pg_snapshot_xmin(pg_current_snapshot())
      and not pg_visible_in_snapshot(xact, pg_current_snapshot())`.execute(db);
  const first = await sql<{ snapshot: string }>`select pg_current_snapshot()::text as snapshot`.execute(db);
  let seen = first.rows[0]?.snapshot ?? "";
  return {
    next: async () => {
      // One statement, so that the rows and the snapshot to go on from are of the same moment.
      const { rows } = await sql<{ snapshot: string } & (ChangeRow | { id: null; node: null })>`
        select s.snapshot, c.*
        from (select pg_current_snapshot()::text as snapshot) s
        left join changes c
          on c.xact >= pg_snapshot_xmin(${seen}::pg_snapshot)
          and not pg_visible_in_snapshot(c.xact, ${seen}::pg_snapshot)
        order by c.id`.execute(db);
      seen = rows[0]?.snapshot ?? seen;
      return rows.flatMap((row) => (row.id === null || row.node === node ? [] : [fromRow(row)]));
    },
  };
}
