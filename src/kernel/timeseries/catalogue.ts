import { sql } from "kysely";
import { fromJsonText, jsonText } from "../database/columns.ts";
import { afterCommit, type Queryable, type Reader, type Tx } from "../database/engine.ts";
import { notFound } from "../errors.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { Recent } from "./recent.ts";
import { bucketOf } from "./storage.ts";
import type { StreamCatalogue, StreamFilter, StreamPatch } from "./store.ts";
import { checkPatch, listStreams } from "./stream-list.ts";
import type { Stream, StreamDefinition, StreamId } from "./types.ts";

const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();
/** SQLite takes 32,766 parameters, PostgreSQL 65,535. */
const rowsPerStatement = 2000;
/** About 600 bytes each, and once more as many as are used in turn. */
const keptStreams = 32_768;

interface StreamRow {
  readonly id: number;
  readonly owner: string;
  readonly key: string;
  readonly mode: string;
  readonly unit: string;
  readonly labels: string;
  readonly tags: string;
  readonly retention: number | null;
}

interface Kept {
  readonly stream: Stream;
  /** Counts no more after this, by `performance.now()`. */
  readonly until: number;
}

const identity = (owner: string, key: string): string => `${owner}\n${key}`;

/** The streams: those used last are kept, for as long as nobody else may have changed them. */
export class Catalogue implements StreamCatalogue {
  readonly #read: Reader;
  readonly #buckets: number;
  readonly #maxAge: number;
  readonly #streams = new Recent<StreamId, Kept>(keptStreams);
  readonly #ids = new Recent<string, StreamId>(keptStreams);

  /** Changes of rows: what was read before one of them is not kept. */
  #changes = 0;

  /** @param maxAge milliseconds after which a stream is read again, since another node may have changed it */
  constructor(read: Reader, buckets: number, maxAge = Number.POSITIVE_INFINITY) {
    this.#read = read;
    this.#buckets = buckets;
    this.#maxAge = maxAge;
  }

  async ensure(tx: Tx, definitions: readonly StreamDefinition[]): Promise<readonly Stream[]> {
    const found = new Map<string, Stream>();
    await this.#select(tx, definitions, found);
    const missing = new Map<string, StreamDefinition>();
    for (const definition of definitions) {
      const name = identity(definition.owner, definition.key);
      if (!found.has(name)) missing.set(name, definition);
    }
    if (missing.size > 0) {
      await this.#insert(tx, [...missing.values()]);
      // Another node may have been first: what counts is what is there now.
      await this.#select(tx, [...missing.values()], found);
    }
    const streams = definitions.map(({ owner, key }) => found.get(identity(owner, key)) ?? lost(owner, key));
    afterCommit(tx, () => {
      for (const stream of streams) this.#keep(stream);
    });
    return streams;
  }

  async get(id: StreamId): Promise<Stream> {
    const stream = this.#fresh(id) ?? (await this.#load(id));
    if (!stream) throw notFound("stream", id);
    return stream;
  }

  async find(owner: string, key: string): Promise<Stream | undefined> {
    const known = this.#known(owner, key);
    if (known) return known;
    const changes = this.#changes;
    const row = await tables(this.#read)
      .selectFrom("streams")
      .selectAll()
      .where("owner", "=", owner)
      .where("key", "=", key)
      .executeTakeFirst();
    return row && this.#keep(this.#stream(row), changes);
  }

  async list(filter: StreamFilter): Promise<readonly Stream[]> {
    const rows = await listStreams(this.#read, filter);
    return rows.map((row) => this.#stream(row));
  }

  async update(tx: Tx, id: StreamId, patch: StreamPatch): Promise<Stream> {
    checkPatch(patch);
    const { unit, labels, tags, mode, retention } = patch;
    const columns = {
      ...(unit === undefined ? {} : { unit }),
      ...(labels === undefined ? {} : { labels: jsonText(labels) }),
      ...(tags === undefined ? {} : { tags: jsonText(tags) }),
      ...(mode === undefined ? {} : { mode }),
      ...(retention === undefined ? {} : { retention }),
    };
    // An empty patch locks the row, so that what is read of it holds until the end of the transaction.
    const assigned = Object.keys(columns).length > 0 ? columns : { unit: sql<string>`unit` };
    await tables(tx).updateTable("streams").set(assigned).where("id", "=", id).execute();
    const row = await tables(tx).selectFrom("streams").selectAll().where("id", "=", id).executeTakeFirst();
    if (!row) throw notFound("stream", id);
    const stream = this.#stream(row);
    afterCommit(tx, () => {
      this.#changes++;
      this.#keep(stream);
    });
    return stream;
  }

  /** Reads many at once, so that they need not be read one by one. */
  async prepare(ids: readonly StreamId[]): Promise<void> {
    const missing = ids.filter((id) => this.#fresh(id) === undefined);
    for (let at = 0; at < missing.length; at += rowsPerStatement) {
      const changes = this.#changes;
      const rows = await tables(this.#read)
        .selectFrom("streams")
        .selectAll()
        .where("id", "in", missing.slice(at, at + rowsPerStatement))
        .execute();
      for (const row of rows) this.#keep(this.#stream(row), changes);
    }
  }

  /** `history` for a stream that is not there. */
  async mode(id: StreamId): Promise<Stream["mode"]> {
    const stream = this.#fresh(id) ?? (await this.#load(id));
    return stream?.mode ?? "history";
  }

  /** Removes the rows in the transaction of the caller. */
  async remove(tx: Tx, ids: readonly StreamId[]): Promise<void> {
    for (let at = 0; at < ids.length; at += rowsPerStatement)
      await tables(tx)
        .deleteFrom("streams")
        .where("id", "in", ids.slice(at, at + rowsPerStatement))
        .execute();
    afterCommit(tx, () => {
      this.#changes++;
      for (const id of ids) {
        const stream = this.#streams.get(id)?.stream;
        this.#streams.delete(id);
        if (stream) this.#ids.delete(identity(stream.owner, stream.key));
      }
    });
  }

  #known(owner: string, key: string): Stream | undefined {
    const id = this.#ids.get(identity(owner, key));
    return id === undefined ? undefined : this.#fresh(id);
  }

  #fresh(id: StreamId): Stream | undefined {
    const kept = this.#streams.get(id);
    return kept && kept.until > performance.now() ? kept.stream : undefined;
  }

  /** @param changes as they were when the stream was read */
  #keep(stream: Stream, changes = this.#changes): Stream {
    if (changes !== this.#changes) return stream;
    this.#streams.set(stream.id, { stream, until: performance.now() + this.#maxAge });
    this.#ids.set(identity(stream.owner, stream.key), stream.id);
    return stream;
  }

  async #load(id: StreamId): Promise<Stream | undefined> {
    const changes = this.#changes;
    const row = await tables(this.#read)
      .selectFrom("streams")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    return row && this.#keep(this.#stream(row), changes);
  }

  async #select(tx: Tx, definitions: readonly StreamDefinition[], found: Map<string, Stream>): Promise<void> {
    const byOwner = Map.groupBy(
      definitions.filter(({ owner, key }) => !found.has(identity(owner, key))),
      ({ owner }) => owner,
    );
    for (const [owner, wanted] of byOwner) {
      const keys = [...new Set(wanted.map(({ key }) => key))];
      for (let at = 0; at < keys.length; at += rowsPerStatement) {
        const rows = await tables(tx)
          .selectFrom("streams")
          .selectAll()
          .where("owner", "=", owner)
          .where("key", "in", keys.slice(at, at + rowsPerStatement))
          .execute();
        for (const row of rows) found.set(identity(row.owner, row.key), this.#stream(row));
      }
    }
  }

  async #insert(tx: Tx, definitions: readonly StreamDefinition[]): Promise<void> {
    for (let at = 0; at < definitions.length; at += rowsPerStatement)
      await tables(tx)
        .insertInto("streams")
        .values(
          definitions.slice(at, at + rowsPerStatement).map(({ owner, key, mode, unit, labels }) => ({
            owner,
            key,
            mode,
            unit,
            labels: jsonText(labels),
          })),
        )
        .onConflict((conflict) => conflict.columns(["owner", "key"]).doNothing())
        .execute();
  }

  #stream(row: StreamRow): Stream {
    return {
      id: row.id,
      bucket: bucketOf(row.id, this.#buckets),
      owner: row.owner,
      key: row.key,
      mode: row.mode === "last" ? "last" : "history",
      unit: row.unit,
      labels: fromJsonText(row.labels) as Record<string, string>,
      tags: fromJsonText(row.tags) as string[],
      retention: row.retention,
    };
  }
}

const lost = (owner: string, key: string): never => {
  throw new Error(`The stream ${owner}/${key} was not created.`);
};
