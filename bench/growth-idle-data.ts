import { sql } from "kysely";
import type { DatabaseConfig } from "../src/kernel/config/config.ts";
import { migrate } from "../src/kernel/database/migrate.ts";
import { openDatabase } from "../src/kernel/database/open.ts";
import { openTimeSeries } from "../src/kernel/timeseries/open.ts";
import { allMigrations } from "../src/server.ts";
import { spacing, start } from "./store-data.ts";
import { clock, log } from "./store-work.ts";

const pointsEach = 8;

/**
 * Makes a database of so many datapoints that are not active, each with a stream and its compacted points: one is stored
 * by the store itself, and the rows that this left are multiplied.
 */
export async function fillIdle(config: DatabaseConfig, streams: number): Promise<void> {
  await using database = await openDatabase(config, log);
  await migrate(database, allMigrations);
  await storeFirst(database);
  const numbers = sql`(with recursive n(i) as (select 2 union all select i + 1 from n where i < ${streams})
    select i from n) numbers`;
  await database.write(async (tx) => {
    const multiply = (table: string, columns: string, others: string) =>
      sql`insert into ${sql.table(table)} (${sql.raw(columns)}, ${sql.raw(others)})
        select ${sql.raw(columns.replace("stream_id", "i"))}, ${sql.raw(others)}
        from ${sql.table(table)}, ${numbers} order by 2`.execute(tx);
    await multiply("chunks", "bucket, stream_id", chunkColumns);
    await multiply("rollups", "bucket, stream_id", "width, start_time, blob");
    await multiply("stream_marks", "bucket, stream_id", "high_time");
    await sql`insert into streams (id, owner, key, mode, unit, labels, tags, retention)
      select i, owner, i || '/value', mode, unit, labels, tags, retention
      from streams, ${numbers} order by 1`.execute(tx);
    await sql`insert into connectors (name, added, last_changed) values ('idle', 0, 0)`.execute(tx);
    await sql`insert into datapoints
      (connector_id, key_in_connector, type, is_active, data_format, description, unit, value_stream)
      select connectors.id, 'meter/' || streams.id || '/power', 'sensor', 0, 'generic_numeric', '', 'W', streams.id
      from streams, connectors order by streams.id`.execute(tx);
  });
}

const chunkColumns = "start_time, end_time, count, numeric_count, min, max, sum, first, last, codec, blob";

async function storeFirst(database: Awaited<ReturnType<typeof openDatabase>>): Promise<void> {
  await using store = await openTimeSeries({ database, log, clock });
  const definition = { owner: "datapoints", key: "1/value", mode: "history", unit: "W", labels: {} } as const;
  const [stream] = await database.write((tx) => store.streams.ensure(tx, [definition]));
  for (let i = 0; i < pointsEach; i++) await store.put(stream?.id ?? 0, start + i * spacing, i / 4);
  await store.compact();
}
