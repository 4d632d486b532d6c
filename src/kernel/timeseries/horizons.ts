import { sql } from "kysely";
import type { Queryable, Tx } from "../database/engine.ts";
import type { Micros } from "../time.ts";
import { IdMap } from "./id-map.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { type BucketHead, bucketOf } from "./storage.ts";
import { allTime, type StreamId } from "./types.ts";

const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();
const idsPerStatement = 1000;
/** The horizon of a stream that has all its points. */
const none = allTime.from;

/** The greater one of two nodes that write at the same time stays. */
const greater = (column: "horizon" | "door") => sql<number>`case
  when ${sql.ref(`excluded.${column}`)} > ${sql.ref(`stream_horizons.${column}`)} then ${sql.ref(`excluded.${column}`)}
  else ${sql.ref(`stream_horizons.${column}`)} end`;

/**
 * Where the raw points of each stream begin: those before its horizon, a midnight of UTC, have expired and live on in
 * the rollups alone. It never moves back. The door is where the horizon is about to be: nothing older is taken.
 *
 * All nodes know the same ones by the version in the head of each bucket's log, which every change raises: a follower
 * of the log reads what it has missed, and a commit whose points were checked against an older version is refused.
 */
export class Horizons {
  readonly #buckets: number;
  readonly #known = new IdMap();
  readonly #doors = new IdMap();
  #versions: readonly number[];
  #any = false;

  constructor(buckets: number) {
    this.#buckets = buckets;
    this.#versions = Array.from({ length: buckets }, () => -1);
  }

  /** Whether any stream has one. */
  get any(): boolean {
    return this.#any;
  }

  /** Per bucket, which version this is; another list after each change. */
  get versions(): readonly number[] {
    return this.#versions;
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

  /** Reads what has changed up to these heads, by whichever node. One at a time. */
  async follow(db: Queryable, heads: readonly BucketHead[]): Promise<void> {
    for (const { bucket, horizons } of heads) {
      const known = this.#versions[bucket] ?? -1;
      if (known === horizons) continue;
      const rows = await tables(db)
        .selectFrom("stream_horizons")
        .select(["stream_id", "horizon", "door"])
        .where("bucket", "=", bucket)
        .where("version", ">", known)
        .execute();
      for (const { stream_id, horizon, door } of rows) this.#set(stream_id, horizon, door);
      this.#versions = this.#versions.with(bucket, horizons);
    }
  }

  /** Says where the horizons of streams of one bucket are about to be. */
  async announce(tx: Tx, bucket: number, doors: ReadonlyMap<StreamId, Micros>): Promise<void> {
    const { version } = await raiseVersion(tx, bucket);
    for (const ids of inParts([...doors.keys()]))
      await tables(tx)
        .insertInto("stream_horizons")
        .values(
          ids.map((stream_id) => {
            const door = doors.get(stream_id) ?? none;
            return { bucket, stream_id, horizon: none, door, purged: 1, version };
          }),
        )
        .onConflict((conflict) =>
          conflict.columns(["bucket", "stream_id"]).doUpdateSet({ door: greater("door"), version }),
        )
        .execute();
  }

  /** Moves the horizons of streams of one bucket, whose `version` was raised in the same transaction. */
  async move(
    tx: Tx,
    bucket: number,
    horizons: ReadonlyMap<StreamId, Micros>,
    version: number,
  ): Promise<void> {
    for (const ids of inParts([...horizons.keys()]))
      await tables(tx)
        .insertInto("stream_horizons")
        .values(
          ids.map((stream_id) => {
            const horizon = horizons.get(stream_id) ?? none;
            return { bucket, stream_id, horizon, door: horizon, purged: 0, version };
          }),
        )
        .onConflict((conflict) =>
          conflict.columns(["bucket", "stream_id"]).doUpdateSet({
            horizon: greater("horizon"),
            door: greater("door"),
            purged: sql<number>`case when excluded.horizon > stream_horizons.horizon then 0
              else stream_horizons.purged end`,
            version,
          }),
        )
        .execute();
  }

  /** Takes back what was announced for streams of one bucket, and did not come about. */
  async reopen(tx: Tx, bucket: number, streams: readonly StreamId[]): Promise<void> {
    const { version } = await raiseVersion(tx, bucket);
    for (const ids of inParts(streams))
      await tables(tx)
        .updateTable("stream_horizons")
        .set({ door: sql<number>`horizon`, version })
        .where("bucket", "=", bucket)
        .where("stream_id", "in", [...ids])
        .execute();
  }

  /** For streams that are removed. */
  async remove(tx: Tx, streams: readonly StreamId[]): Promise<void> {
    for (const [bucket, members] of Map.groupBy(streams, (stream) => bucketOf(stream, this.#buckets)))
      for (const ids of inParts(members))
        await tables(tx)
          .deleteFrom("stream_horizons")
          .where("bucket", "=", bucket)
          .where("stream_id", "in", [...ids])
          .execute();
  }

  #set(stream: StreamId, horizon: Micros, door: Micros): void {
    if (horizon === none && door === none && !this.#any) return;
    this.#any = true;
    if (horizon > this.of(stream) && horizon !== none) this.#known.set(stream, horizon);
    this.#doors.set(stream, door === none ? Number.NEGATIVE_INFINITY : Math.max(door, this.of(stream)));
  }
}

/** Locks the head of the bucket's log until the end of the transaction: no commit comes in between. */
export async function raiseVersion(
  tx: Tx,
  bucket: number,
): Promise<{ readonly version: number; readonly compactedSeq: number }> {
  const { rows } = await sql<{ horizons: number; compacted_seq: number }>`
    update log_head set horizons = horizons + 1 where bucket = ${bucket}
    returning horizons, compacted_seq`.execute(tx);
  return { version: rows[0]?.horizons ?? 0, compactedSeq: rows[0]?.compacted_seq ?? 0 };
}

function* inParts(streams: readonly StreamId[]): Generator<readonly StreamId[]> {
  for (let at = 0; at < streams.length; at += idsPerStatement) yield streams.slice(at, at + idsPerStatement);
}
