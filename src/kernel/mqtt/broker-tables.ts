import type { Bit } from "../database/columns.ts";
import type { Queryable } from "../database/engine.ts";

/** The rows of the embedded broker's state, and how a batch of them is written and removed. */

export interface RetainedRow {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
}

export interface SubscriptionRow {
  readonly client_id: string;
  readonly filter: string;
  readonly qos: number;
}

export interface QueuedRow {
  readonly id: number;
  readonly client_id: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly message_id: number | null;
  /** 1 when the client has said PUBREC: PUBREL is what it waits for. */
  readonly released: Bit;
}

export interface IncomingRow {
  readonly client_id: string;
  readonly message_id: number;
}

export interface WillRow {
  readonly client_id: string;
  readonly broker_id: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: Bit;
}

/** By the names used in code. */
export interface Rows {
  retained: RetainedRow;
  subscriptions: SubscriptionRow;
  queued: QueuedRow;
  incoming: IncomingRow;
  wills: WillRow;
}

type BrokerTables = {
  mqtt_retained: RetainedRow;
  mqtt_subscriptions: SubscriptionRow;
  mqtt_queued: QueuedRow;
  mqtt_incoming: IncomingRow;
  mqtt_wills: WillRow;
};

export const brokerTables = (db: Queryable) => db.withTables<BrokerTables>();
type Db = ReturnType<typeof brokerTables>;

export interface RowWriter<Row> {
  readonly put: (db: Db, rows: readonly Row[]) => Promise<unknown>;
  readonly remove: (db: Db, rows: readonly Row[]) => Promise<unknown>;
}

export const rowWriters: { readonly [Name in keyof Rows]: RowWriter<Rows[Name]> } = {
  retained: {
    put: (db, rows) =>
      db
        .insertInto("mqtt_retained")
        .values(rows)
        .onConflict((conflict) =>
          conflict.column("topic").doUpdateSet((row) => ({
            payload: row.ref("excluded.payload"),
            qos: row.ref("excluded.qos"),
          })),
        )
        .execute(),
    remove: (db, rows) =>
      db
        .deleteFrom("mqtt_retained")
        .where(
          "topic",
          "in",
          rows.map((row) => row.topic),
        )
        .execute(),
  },
  subscriptions: {
    put: (db, rows) =>
      db
        .insertInto("mqtt_subscriptions")
        .values(rows)
        .onConflict((conflict) =>
          conflict.columns(["client_id", "filter"]).doUpdateSet((row) => ({ qos: row.ref("excluded.qos") })),
        )
        .execute(),
    remove: (db, rows) =>
      eachClient(rows, (clientId, own) =>
        db
          .deleteFrom("mqtt_subscriptions")
          .where("client_id", "=", clientId)
          .where(
            "filter",
            "in",
            own.map((row) => row.filter),
          )
          .execute(),
      ),
  },
  queued: {
    put: (db, rows) =>
      db
        .insertInto("mqtt_queued")
        .values(rows)
        .onConflict((conflict) =>
          conflict.column("id").doUpdateSet((row) => ({
            message_id: row.ref("excluded.message_id"),
            released: row.ref("excluded.released"),
          })),
        )
        .execute(),
    remove: (db, rows) =>
      db
        .deleteFrom("mqtt_queued")
        .where(
          "id",
          "in",
          rows.map((row) => row.id),
        )
        .execute(),
  },
  incoming: {
    put: (db, rows) =>
      db
        .insertInto("mqtt_incoming")
        .values(rows)
        .onConflict((conflict) => conflict.columns(["client_id", "message_id"]).doNothing())
        .execute(),
    remove: (db, rows) =>
      eachClient(rows, (clientId, own) =>
        db
          .deleteFrom("mqtt_incoming")
          .where("client_id", "=", clientId)
          .where(
            "message_id",
            "in",
            own.map((row) => row.message_id),
          )
          .execute(),
      ),
  },
  wills: {
    put: (db, rows) =>
      db
        .insertInto("mqtt_wills")
        .values(rows)
        .onConflict((conflict) =>
          conflict.column("client_id").doUpdateSet((row) => ({
            broker_id: row.ref("excluded.broker_id"),
            topic: row.ref("excluded.topic"),
            payload: row.ref("excluded.payload"),
            qos: row.ref("excluded.qos"),
            retain: row.ref("excluded.retain"),
          })),
        )
        .execute(),
    remove: (db, rows) =>
      db
        .deleteFrom("mqtt_wills")
        .where(
          "client_id",
          "in",
          rows.map((row) => row.client_id),
        )
        .execute(),
  },
};

async function eachClient<Row extends { readonly client_id: string }>(
  rows: readonly Row[],
  work: (clientId: string, own: readonly Row[]) => Promise<unknown>,
): Promise<void> {
  const groups = Map.groupBy(rows, (row) => row.client_id);
  for (const [clientId, own] of groups) await work(clientId, own);
}
