import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database, Queryable, Tx } from "../database/engine.ts";
import type { Log } from "../observe/log.ts";
import type { Micros } from "../time.ts";
import { decodeLogBatch } from "./codec/log-batch.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { Compaction } from "./compaction.ts";
import { type Horizons, raiseVersion } from "./horizons.ts";
import type { LogFollower } from "./log-follower.ts";
import { touches } from "./log-touches.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { bucketOf } from "./storage.ts";
import type { Tail } from "./tail.ts";
import type { StreamId } from "./types.ts";

export interface HorizonMoveParts {
  readonly database: Database;
  readonly horizons: Horizons;
  readonly tail: Tail;
  readonly follower: LogFollower;
  readonly queue: CommitQueue;
  readonly compaction: Compaction;
  readonly bucketCount: number;
  /** Until other nodes have heard what this one announced. */
  readonly noticeMillis: number;
  readonly log: Log;
}

type Targets = ReadonlyMap<StreamId, Micros>;

/** After the announcement only what was on its way can still be in the way. */
const attempts = 4;

const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();

/**
 * Moves horizons so that no point is lost: it is announced where they will be, so that every node refuses what is
 * older; what was taken before becomes chunks and rollups; then they move, in a transaction that locks the head of the
 * log and finds nothing older in it. A commit whose points were checked before comes too late for its version.
 */
export class HorizonMoves {
  readonly #parts: HorizonMoveParts;

  constructor(parts: HorizonMoveParts) {
    this.#parts = parts;
  }

  /** @returns how many have moved; the others do the next time */
  async run(targets: Targets): Promise<number> {
    const { follower, queue, compaction, noticeMillis, log } = this.#parts;
    await this.#announce(targets);
    await follower.refresh();
    if (targets.size === 0) return 0;
    if (noticeMillis > 0) await delay(noticeMillis);
    let left = targets;
    for (let attempt = 1; attempt <= attempts && left.size > 0; attempt++) {
      await queue.drained();
      try {
        await compaction.run();
      } catch (error) {
        // The purge of another node ends a compaction.
        if (attempt === attempts) throw error;
        continue;
      }
      left = await this.#move(left);
      await follower.refresh();
    }
    if (left.size > 0)
      log.warn({ streams: left.size }, "points that are about to expire keep coming; their turn is the next");
    return targets.size - left.size;
  }

  async #announce(targets: Targets): Promise<void> {
    const { database, horizons } = this.#parts;
    for (const [bucket, doors] of this.#byBucket(targets))
      await database.write((tx) => horizons.announce(tx, bucket, doors));
    for (const [bucket, streams] of await this.#left(targets))
      await database.write((tx) => horizons.reopen(tx, bucket, streams));
  }

  /** Streams whose horizon was to move at another time, when a rule was another, or on a node that has died. */
  async #left(targets: Targets): Promise<ReadonlyMap<number, readonly StreamId[]>> {
    const rows = await tables(this.#parts.database.read)
      .selectFrom("stream_horizons")
      .select(["bucket", "stream_id"])
      .whereRef("door", ">", "horizon")
      .execute();
    const left = Map.groupBy(
      rows.filter(({ stream_id }) => !targets.has(stream_id)),
      ({ bucket }) => bucket,
    );
    return new Map([...left].map(([bucket, list]) => [bucket, list.map(({ stream_id }) => stream_id)]));
  }

  /** @returns those that could not be moved */
  async #move(targets: Targets): Promise<Targets> {
    const left = new Map<StreamId, Micros>();
    for (const [bucket, horizons] of this.#byBucket(targets))
      for (const [stream, horizon] of await this.#moveBucket(bucket, horizons)) left.set(stream, horizon);
    return left;
  }

  #moveBucket(bucket: number, targets: Targets): Promise<Targets> {
    const { database, horizons, follower, tail } = this.#parts;
    const seen = follower.cursor(bucket);
    const inTail = new Map([...targets].filter(([stream, horizon]) => hasOlder(tail, stream, horizon)));
    return database.write(async (tx) => {
      const { version, compactedSeq } = await raiseVersion(tx, bucket);
      // What lies between is in chunks, and the tail may not have had it.
      if (compactedSeq > seen) return targets;
      const left = new Map([...inTail, ...(await newlyTouched(tx, bucket, seen, targets))]);
      const moved = new Map([...targets].filter(([stream]) => !left.has(stream)));
      await horizons.move(tx, bucket, moved, version);
      return left;
    });
  }

  #byBucket(targets: Targets): ReadonlyMap<number, Targets> {
    const { bucketCount } = this.#parts;
    const groups = Map.groupBy(targets, ([stream]) => bucketOf(stream, bucketCount));
    const ascending = [...groups].toSorted(([a], [b]) => a - b);
    return new Map(ascending.map(([bucket, list]) => [bucket, new Map(list)]));
  }
}

/** Whether anything that is not in chunks yet has to do with the time before the horizon. */
function hasOlder(tail: Tail, stream: StreamId, horizon: Micros): boolean {
  return tail.layers(stream).some((layer) => {
    const first = Math.min(layer.page().times[0] ?? horizon, layer.deleted[0]?.from ?? horizon);
    return first < horizon;
  });
}

/** The streams to which rows of the log after `seen` bring something older. */
async function newlyTouched(tx: Tx, bucket: number, seen: number, targets: Targets): Promise<Targets> {
  const { rows } = await sql<{ blob: Uint8Array }>`
    select blob from log where bucket = ${bucket} and seq > ${seen} order by seq`.execute(tx);
  const touched = new Map<StreamId, Micros>();
  const look = (stream: StreamId, time: Micros): boolean => {
    const horizon = targets.get(stream);
    if (horizon !== undefined && time < horizon) touched.set(stream, horizon);
    return false;
  };
  for (const { blob } of rows) for (const operation of decodeLogBatch(blob)) touches(operation, look);
  return touched;
}
