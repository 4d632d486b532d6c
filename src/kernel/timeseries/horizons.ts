import type { Queryable, Tx } from "../database/engine.ts";
import type { Micros } from "../time.ts";
import { IdMap } from "./id-map.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { bucketOf } from "./storage.ts";
import type { StreamId } from "./types.ts";

const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();
const idsPerStatement = 1000;

/**
 * Where the raw points of each stream begin: those before its horizon, a midnight of UTC, have expired and live on in
 * the rollups alone. It never moves back.
 */
export class Horizons {
  readonly #buckets: number;
  #known = new IdMap();
  #doors = new IdMap();
  #any = false;

  constructor(buckets: number) {
    this.#buckets = buckets;
  }

  /** Whether any stream has one. */
  get any(): boolean {
    return this.#any;
  }

  /** -Infinity for a stream that keeps all. */
  of(stream: StreamId): Micros {
    const known = this.#any ? this.#known.get(stream) : Number.NaN;
    return Number.isNaN(known) ? Number.NEGATIVE_INFINITY : known;
  }

  /** Older points are not taken any more: the horizon, or where it is about to be. */
  door(stream: StreamId): Micros {
    const door = this.#any ? this.#doors.get(stream) : Number.NaN;
    return Number.isNaN(door) ? Number.NEGATIVE_INFINITY : door;
  }

  /** From now on nothing older comes in, so that what is there can become rollups for good. */
  close(stream: StreamId, horizon: Micros): void {
    this.#any = true;
    this.#doors.set(stream, Math.max(this.door(stream), horizon));
  }

  /** Reads what the database knows; another node may have moved some. */
  async load(db: Queryable): Promise<void> {
    for (const row of await tables(db).selectFrom("stream_horizons").selectAll().execute())
      this.#set(row.stream_id, row.horizon);
  }

  /** Takes over what a transaction that has committed wrote. */
  moved(streams: readonly StreamId[], horizon: Micros): void {
    for (const stream of streams) this.#set(stream, horizon);
  }

  async write(tx: Tx, streams: readonly StreamId[], horizon: Micros): Promise<void> {
    for (let at = 0; at < streams.length; at += idsPerStatement)
      await tables(tx)
        .insertInto("stream_horizons")
        .values(
          streams.slice(at, at + idsPerStatement).map((stream) => ({
            bucket: bucketOf(stream, this.#buckets),
            stream_id: stream,
            horizon,
            purged: 0,
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(["bucket", "stream_id"]).doUpdateSet((set) => ({
            horizon: set.ref("excluded.horizon"),
            purged: 0,
          })),
        )
        .execute();
  }

  /** For streams that are removed. */
  async remove(tx: Tx, streams: readonly StreamId[]): Promise<void> {
    for (const [bucket, ids] of Map.groupBy(streams, (stream) => bucketOf(stream, this.#buckets)))
      for (let at = 0; at < ids.length; at += idsPerStatement)
        await tables(tx)
          .deleteFrom("stream_horizons")
          .where("bucket", "=", bucket)
          .where("stream_id", "in", ids.slice(at, at + idsPerStatement))
          .execute();
  }

  #set(stream: StreamId, horizon: Micros): void {
    this.close(stream, horizon);
    this.#known.set(stream, Math.max(this.of(stream), horizon));
  }
}
