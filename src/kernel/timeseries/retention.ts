import { sql } from "kysely";
import type { Queryable, Tx } from "../database/engine.ts";
import type { Clock, Micros } from "../time.ts";
import { microsFromMillis } from "../time.ts";
import type { BucketReader } from "./bucket-reader.ts";
import { floorTo, utcDay } from "./buckets/cells.ts";
import { fixedEdge } from "./buckets/edges.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RangeEdits } from "./edits/stream-edits.ts";
import { type HorizonMoveParts, HorizonMoves } from "./horizon-moves.ts";
import type { Latest } from "./latest.ts";
import type { TimeSeriesTables } from "./migrations.ts";
import { purge, unpurged } from "./purge.ts";
import type { Reader } from "./reader.ts";
import type { RetentionPreview, RetentionRule, StreamRetention } from "./retention-contract.ts";
import type { Serial } from "./serial.ts";
import { allTime, type Stream, type StreamId } from "./types.ts";

export interface RetentionParts extends HorizonMoveParts {
  readonly clock: Clock;
  readonly catalogue: Catalogue;
  readonly latest: Latest;
  readonly reader: Reader;
  readonly buckets: BucketReader;
  readonly edits: Pick<RangeEdits, "removeUnmade">;
  /** Edits wait for it, and it for them. */
  readonly serial: Serial;
}

const streamsAtOnce = 1000;
const tables = (db: Queryable) => db.withTables<TimeSeriesTables>();

/**
 * Deletes raw points that are older than their stream keeps them, by whole days of UTC, after their rollups are made.
 * The day of the newest point always stays, so that a stream that fell silent keeps its latest value.
 */
export class Retention implements StreamRetention {
  readonly #parts: RetentionParts;
  readonly #moves: HorizonMoves;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#moves = new HorizonMoves(parts);
  }

  run(): Promise<number> {
    return this.#parts.serial.run(() => this.#run());
  }

  horizon(stream: StreamId): Micros {
    return this.#parts.horizons.of(stream);
  }

  async preview(stream: Stream, keep: Micros | null): Promise<RetentionPreview> {
    const { horizons, reader } = this.#parts;
    const horizon = keep === null ? undefined : (await this.#horizonsOf([{ stream, keep }])).get(stream.id);
    const before = horizons.of(stream.id);
    const first = horizon === undefined ? undefined : await this.#firstFrom(stream.id, before);
    if (horizon === undefined || first === undefined || first >= horizon)
      return { horizon: null, points: 0, bytes: 0, first: null, last: null };
    const last = await reader.newestBefore(stream.id, horizon);
    return {
      horizon,
      points: await this.#count(stream.id, floorTo(utcDay, first), horizon),
      bytes: await this.#bytes(stream, horizon),
      first,
      last: last?.time ?? null,
    };
  }

  async rules(db: Queryable): Promise<readonly RetentionRule[]> {
    return tables(db).selectFrom("retention_rules").selectAll().orderBy("owner").execute();
  }

  async replaceRules(tx: Tx, rules: readonly RetentionRule[]): Promise<void> {
    await tables(tx).deleteFrom("retention_rules").execute();
    if (rules.length > 0)
      await tables(tx)
        .insertInto("retention_rules")
        .values(rules.map(({ owner, keep }) => ({ owner, keep })))
        .execute();
  }

  async #run(): Promise<number> {
    const { database, follower, compaction, edits } = this.#parts;
    await edits.removeUnmade();
    await follower.refresh();
    const moved = await this.#moves.run(await this.#due());
    for (const expired of await unpurged(database.read))
      await compaction.exclusively(() => purge(database, expired));
    return moved;
  }

  /** The streams whose horizon moves, and where to. */
  async #due(): Promise<ReadonlyMap<StreamId, Micros>> {
    const { catalogue, database } = this.#parts;
    const rules = new Map((await this.rules(database.read)).map(({ owner, keep }) => [owner, keep]));
    const due = new Map<StreamId, Micros>();
    for (let after = 0; ; ) {
      const streams = await catalogue.list({ after, limit: streamsAtOnce });
      const kept = streams.flatMap((stream) => {
        const keep = stream.retention ?? rules.get(stream.owner) ?? rules.get("");
        return stream.mode === "history" && keep !== undefined ? [{ stream, keep }] : [];
      });
      for (const [stream, horizon] of await this.#horizonsOf(kept)) due.set(stream, horizon);
      const last = streams.at(-1);
      if (last === undefined || streams.length < streamsAtOnce) return due;
      after = last.id;
    }
  }

  /** Where they would move to; without those that stay where they are. */
  async #horizonsOf(
    kept: readonly { readonly stream: Stream; readonly keep: Micros }[],
  ): Promise<ReadonlyMap<StreamId, Micros>> {
    const { horizons, latest, clock } = this.#parts;
    const now = microsFromMillis(clock.now());
    const wanted = kept
      .map(({ stream: { id }, keep }) => ({ id, horizon: floorTo(utcDay, now - keep) }))
      .filter(({ id, horizon }) => horizon > horizons.of(id));
    const newest = await latest.of(wanted.map(({ id }) => id));
    return new Map(
      wanted.flatMap(({ id, horizon }, i) => {
        const point = newest[i];
        if (point === undefined) return [];
        const moved = Math.min(horizon, floorTo(utcDay, point.time));
        return moved > horizons.of(id) ? [[id, moved] as const] : [];
      }),
    );
  }

  async #firstFrom(stream: StreamId, from: Micros): Promise<Micros | undefined> {
    const range = { from: Math.max(from, allTime.from), to: allTime.to };
    for await (const { times } of this.#parts.reader.read(stream, range)) return times[0];
    return undefined;
  }

  /** Of whole days, so that rollups tell. */
  async #count(stream: StreamId, from: Micros, to: Micros): Promise<number> {
    const width = to - from;
    const query = {
      streams: [stream],
      range: { from, to },
      interval: { kind: "fixed", width },
      offset: from - fixedEdge(width, from),
      zone: "UTC",
      figures: [{ kind: "aggregate", aggregate: "count" }],
      fill: "null",
    } as const;
    let count = 0;
    for await (const { columns } of this.#parts.buckets.read(query)) count += columns[0]?.[0] ?? 0;
    return count;
  }

  async #bytes({ id, bucket }: Stream, horizon: Micros): Promise<number> {
    const row = await tables(this.#parts.database.read)
      .selectFrom("chunks")
      .select(sql<number | string | null>`sum(length(blob))`.as("bytes"))
      .where("bucket", "=", bucket)
      .where("stream_id", "=", id)
      .where("start_time", "<", horizon)
      .where("end_time", "<", horizon)
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }
}
