import { sql } from "kysely";
import { fromJsonText } from "../database/columns.ts";
import type { Reader } from "../database/engine.ts";
import { invalidField } from "../errors.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import type { StreamFilter, StreamPatch } from "./store.ts";
import type { StreamId } from "./types.ts";

const rowsAtOnce = 1000;
/** SQLite refuses patterns beyond 50,000 bytes; what is longer is only compared here. */
const maxPattern = 1000;

export interface ListedRow {
  readonly id: StreamId;
  readonly owner: string;
  readonly key: string;
  readonly mode: string;
  readonly unit: string;
  readonly labels: string;
  readonly tags: string;
  readonly retention: number | null;
}

/** Rows that match, ascending by id. The database leaves most others out; here it is decided. */
export async function listStreams(read: Reader, filter: StreamFilter): Promise<readonly ListedRow[]> {
  const { limit } = filter;
  const matching: ListedRow[] = [];
  const patterns = patternsOf(filter);
  for (let after = filter.after ?? 0; matching.length < limit; ) {
    const wanted = patterns.length === 0 ? limit - matching.length : rowsAtOnce;
    const rows = await candidates(read, filter, patterns, after, wanted);
    for (const row of rows) if (matching.length < limit && matches(row, filter)) matching.push(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < wanted) break;
    after = last.id;
  }
  return matching;
}

interface Pattern {
  readonly column: "key" | "labels" | "tags";
  readonly text: string;
}

function patternsOf({ labels = {}, tags = [], search = "" }: StreamFilter): readonly Pattern[] {
  return [
    ...Object.entries(labels).map(([name, value]): Pattern => {
      const text = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      return { column: "labels", text };
    }),
    ...tags.map((tag): Pattern => ({ column: "tags", text: JSON.stringify(tag) })),
    ...(search === "" ? [] : [{ column: "key", text: search.toLowerCase() } as const]),
  ];
}

async function candidates(
  read: Reader,
  filter: StreamFilter,
  patterns: readonly Pattern[],
  after: StreamId,
  limit: number,
): Promise<readonly ListedRow[]> {
  let query = read
    .withTables<TimeSeriesTables>()
    .selectFrom("streams")
    .selectAll()
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit);
  if (filter.owner !== undefined) query = query.where("owner", "=", filter.owner);
  if (filter.unit !== undefined) query = query.where("unit", "=", filter.unit);
  // One parameter, however many they are; numbers need no quotes.
  if (filter.ids !== undefined) query = query.where("id", "in", idsIn(filter.ids));
  for (const { column, text } of patterns) {
    // Only ASCII letters have the same lower case everywhere.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
    if (text.length > maxPattern || (column === "key" && !/^[\x00-\x7f]*$/.test(text))) continue;
    const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
    const compared = column === "key" ? sql`lower(${sql.ref(column)})` : sql.ref(column);
    query = query.where(sql<boolean>`${compared} like ${pattern} escape '\\'`);
  }
  return query.execute();
}

const idsIn = (ids: readonly StreamId[]) =>
  ids.length === 0
    ? sql<number>`(select -1)`
    : sql<number>`(${sql.join(ids.map((id) => sql.lit(Number.isSafeInteger(id) ? id : -1)))})`;

function matches(row: ListedRow, { labels = {}, tags = [], search = "" }: StreamFilter): boolean {
  if (!row.key.toLowerCase().includes(search.toLowerCase())) return false;
  const wanted = Object.entries(labels);
  if (wanted.length > 0) {
    const own = fromJsonText(row.labels) as Record<string, string>;
    if (!wanted.every(([name, value]) => Object.hasOwn(own, name) && own[name] === value)) return false;
  }
  if (tags.length === 0) return true;
  const own = fromJsonText(row.tags) as string[];
  return tags.every((tag) => own.includes(tag));
}

/** @throws Problem `invalid-request` */
export function checkPatch({ retention, tags, mode }: StreamPatch): void {
  if (retention !== undefined && retention !== null && !(Number.isSafeInteger(retention) && retention > 0))
    throw invalidField("retention", `${retention} is not a positive whole number of microseconds, or null.`);
  if (mode !== undefined && mode !== "history" && mode !== "last")
    throw invalidField("mode", `${JSON.stringify(mode)} is neither "history" nor "last".`);
  if (tags !== undefined && new Set(tags).size < tags.length)
    throw invalidField("tags", "Each tag may be given once.");
}
