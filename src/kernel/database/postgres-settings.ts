import pg from "pg";
import type { Log } from "../observe/log.ts";
import type { PostgresConnection } from "./engine.ts";

// int8 arrives as text otherwise; every integer we store is a JS safe integer. Here, since whoever connects imports it.
pg.types.setTypeParser(20, Number);

/** Settings of a pg client or pool whose tables are in schema `busbar`. */
export const clientSettings = (connection: PostgresConnection): pg.ClientConfig => ({
  connectionString: connection.connectionString,
  ...(connection.ssl === undefined ? {} : { ssl: connection.ssl }),
  options: "-c search_path=busbar -c timezone=UTC",
  application_name: "busbar",
  keepAlive: true,
  connectionTimeoutMillis: 10_000,
});

/** A pool of at most `max` connections; one that is lost fails what runs on it, and nothing else. */
export function openPool(connection: PostgresConnection, max: number, log: Log): pg.Pool {
  const pool = new pg.Pool({ ...clientSettings(connection), max });
  pool.on("error", (error) => log.warn({ error: error.message }, "an idle database connection was lost"));
  // The pool listens to idle ones only. One that is lost between two statements of a transaction would end the process;
  // whoever holds it learns of the loss by the next statement.
  pool.on("connect", (client) =>
    client.on("error", (error) => log.debug({ error: error.message }, "a database connection was lost")),
  );
  return pool;
}
