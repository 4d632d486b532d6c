import type { Queryable, Tx } from "../../../kernel/database/engine.ts";
import { type Micros, type Millis, millisFromMicros } from "../../../kernel/time.ts";
import type { MessageKind } from "../model.ts";
import type { Written } from "./guard.ts";
import { type Command, type CommandState, commandedValue } from "./model.ts";
import { commandOf, rowOf, tables } from "./tables.ts";

export interface NewCommand {
  readonly command: Omit<Command, "id">;
  /** When to look after it; null in a final state. */
  readonly due: Millis | null;
}

/** In the order given. */
export async function insertCommands(tx: Tx, commands: readonly NewCommand[]): Promise<readonly Command[]> {
  const inserted: Command[] = [];
  for (let at = 0; at < commands.length; at += rowsPerStatement) {
    const part = commands.slice(at, at + rowsPerStatement);
    const rows = await tables(tx)
      .insertInto("commands")
      .values(part.map(({ command, due }) => ({ ...rowOf(command), due })))
      .returning("id")
      .execute();
    // Drawn in the order of the rows; returned in any.
    const ids = rows.map(({ id }) => id).sort((a, b) => a - b);
    for (const [index, { command }] of part.entries()) inserted.push({ ...command, id: ids[index] ?? 0 });
  }
  return inserted;
}

const rowsPerStatement = 500;

export interface CommandFilter {
  readonly limit: number;
  /** Only smaller ids. */
  readonly before?: number;
  readonly datapoint?: number;
  /** Only these datapoints. */
  readonly datapoints?: readonly number[];
  /** Name. */
  readonly connector?: string;
  readonly kind?: MessageKind;
  readonly states?: readonly CommandState[];
  /** Name. */
  readonly actor?: string;
  /** By acceptance, half-open. */
  readonly from?: Millis;
  readonly to?: Millis;
}

/** Newest first. */
export async function listCommands(db: Queryable, filter: CommandFilter): Promise<readonly Command[]> {
  let query = tables(db).selectFrom("commands").selectAll().orderBy("id", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("id", "<", filter.before);
  if (filter.datapoint !== undefined) query = query.where("datapoint_id", "=", filter.datapoint);
  if (filter.datapoints !== undefined) {
    if (filter.datapoints.length === 0) return [];
    query = query.where("datapoint_id", "in", filter.datapoints);
  }
  const { connector } = filter;
  if (connector !== undefined)
    query = query.where("connector_id", "in", (eb) =>
      eb.selectFrom("connectors").select("connectors.id").where("name", "=", connector),
    );
  if (filter.kind !== undefined) query = query.where("kind", "=", filter.kind);
  if (filter.states !== undefined) query = query.where("state", "in", filter.states);
  if (filter.actor !== undefined) query = query.where("actor_name", "=", filter.actor);
  if (filter.from !== undefined) query = query.where("accepted_at", ">=", filter.from);
  if (filter.to !== undefined) query = query.where("accepted_at", "<", filter.to);
  return (await query.execute()).map(commandOf);
}

export async function findCommand(db: Queryable, id: number): Promise<Command | undefined> {
  const row = await tables(db).selectFrom("commands").selectAll().where("id", "=", id).executeTakeFirst();
  return row && commandOf(row);
}

/** Names of those connectors that are still there. */
export async function connectorNames(
  db: Queryable,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tables(db)
    .selectFrom("connectors")
    .select(["id", "name"])
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** All that are not final, by id; with `until` those that are due by then. */
export async function listOpen(db: Queryable, until?: Millis, limit?: number): Promise<readonly Command[]> {
  let query = tables(db).selectFrom("commands").selectAll().where("due", "is not", null).orderBy("id");
  if (until !== undefined) query = query.where("due", "<=", until);
  if (limit !== undefined) query = query.limit(limit);
  return (await query.execute()).map(commandOf);
}

export async function countOpen(db: Queryable): Promise<ReadonlyMap<CommandState, number>> {
  const rows = await tables(db)
    .selectFrom("commands")
    .select((eb) => ["state", eb.fn.countAll<number>().as("count")])
    .where("due", "is not", null)
    .groupBy("state")
    .execute();
  return new Map(rows.map(({ state, count }) => [state, Number(count)]));
}

/** The last write of this kind that left, or may have left, for the broker. */
export async function lastWritten(
  db: Queryable,
  datapoint: number,
  kind: MessageKind,
): Promise<(Written & Pick<Command, "id" | "state" | "timestamp">) | undefined> {
  const row = await tables(db)
    .selectFrom("commands")
    .select(["id", "state", "timestamp", "accepted_at", "payload"])
    .where("datapoint_id", "=", datapoint)
    .where("kind", "=", kind)
    .where("written", "=", 1)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return undefined;
  const { id, state, timestamp, accepted_at: at } = row;
  return { id, state, timestamp, at, value: kind === "value" ? commandedValue(row) : "null" };
}

/** Whether any value is on its way to the broker at this moment. */
export async function hasUnderWay(db: Queryable, datapoint: number): Promise<boolean> {
  const row = await tables(db)
    .selectFrom("commands")
    .select("id")
    .where("datapoint_id", "=", datapoint)
    .where("kind", "=", "value")
    .where("state", "in", ["accepted", "published"])
    .where("due", "is not", null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a value with this time is one that we have sent there ourselves. */
export async function isOwnMessage(db: Queryable, datapoint: number, time: Micros): Promise<boolean> {
  const timestamp = millisFromMicros(time);
  if (timestamp * 1000 !== time) return false;
  const row = await tables(db)
    .selectFrom("commands")
    .select("id")
    .where("datapoint_id", "=", datapoint)
    .where("timestamp", "=", timestamp)
    .where("kind", "=", "value")
    .where("written", "=", 1)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Of the times, those of values that we have sent there ourselves. */
export async function ownTimes(db: Queryable, datapoint: number, from: Millis): Promise<ReadonlySet<Millis>> {
  const rows = await tables(db)
    .selectFrom("commands")
    .select("timestamp")
    .where("datapoint_id", "=", datapoint)
    .where("timestamp", ">=", from)
    .where("kind", "=", "value")
    .where("written", "=", 1)
    .execute();
  return new Set(rows.map(({ timestamp }) => timestamp));
}

/** Those that wait to be read back on one of the datapoints, oldest first. */
export async function listWaiting(db: Queryable, datapoints: readonly number[]): Promise<readonly Command[]> {
  if (datapoints.length === 0) return [];
  const rows = await tables(db)
    .selectFrom("commands")
    .selectAll()
    .where("datapoint_id", "in", datapoints)
    .where("state", "=", "taken")
    .where("due", "is not", null)
    .orderBy("id")
    .execute();
  return rows.map(commandOf);
}

/**
 * Removes those that ended before `horizon`, the oldest first.
 * @returns how many; fewer than `limit` when there are no more
 */
export async function pruneCommands(tx: Tx, horizon: Millis, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(tx)
    .deleteFrom("commands")
    .where("id", "in", (eb) =>
      eb
        .selectFrom("commands")
        .select("id")
        .where("accepted_at", "<", horizon)
        // Long ago, too: an end that came late must be seen.
        .where("finished_at", "<", horizon)
        .orderBy("accepted_at")
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
