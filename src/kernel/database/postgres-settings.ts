import pg from "pg";
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
