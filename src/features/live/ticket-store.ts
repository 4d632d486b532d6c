import type { Tx } from "../../kernel/database/engine.ts";

type TicketTables = {
  live_tickets: { hash: string; sealed: Uint8Array; expires_at: number };
};

const tables = (tx: Tx) => tx.withTables<TicketTables>();

export interface SealedTicket {
  readonly hash: string;
  readonly sealed: Uint8Array;
  /** Milliseconds UTC. */
  readonly expiresAt: number;
}

/** Those that have expired go with it. */
export async function addTicket(
  tx: Tx,
  { hash, sealed, expiresAt }: SealedTicket,
  now: number,
): Promise<void> {
  await tables(tx).deleteFrom("live_tickets").where("expires_at", "<=", now).execute();
  await tables(tx).insertInto("live_tickets").values({ hash, sealed, expires_at: expiresAt }).execute();
}

/** The ticket, which is gone from then on; undefined when there is none, or it has expired. */
export async function takeTicket(tx: Tx, hash: string, now: number): Promise<Uint8Array | undefined> {
  const row = await tables(tx)
    .deleteFrom("live_tickets")
    .where("hash", "=", hash)
    .returning(["sealed", "expires_at"])
    .executeTakeFirst();
  return row && row.expires_at > now ? row.sealed : undefined;
}
