import type { Tx } from "../database/engine.ts";
import type { Micros } from "../time.ts";
import type { BucketQuery, BucketTable } from "./buckets/query.ts";
import type { StreamEdits } from "./edits/contract.ts";
import type { LogListener, LogNews } from "./log-notice.ts";
import type { StreamRetention } from "./retention-contract.ts";
import type {
  Point,
  PointBatch,
  PointPage,
  PointValue,
  Stream,
  StreamDefinition,
  StreamId,
  TimeRange,
} from "./types.ts";

/**
 * The store of every number over time. Acknowledged means durable: a promise of a write resolves after the commit
 * of the log row that holds it, and reads made after that see it.
 */
export interface TimeSeries extends AsyncDisposable {
  readonly streams: StreamCatalogue;

  /**
   * Adds one point to the group commit that is being collected; all callers of the same commit get the same promise
   * object. Waits (never drops) while the tail is full. The hot path of MQTT.
   * @throws Problem `store-unavailable`, `disk-full` (by the promise): nothing of that commit is stored;
   *   `expired` for a point before the stream's horizon
   */
  put(stream: StreamId, time: Micros, value: PointValue): Promise<void>;

  /**
   * Appends the batch atomically, over several streams.
   * @throws Problem `store-busy` when the tail is full, `store-unavailable`, `disk-full`; `expired` naming the first
   *   point before its stream's horizon
   */
  append(batch: PointBatch): Promise<void>;

  /**
   * Deletes the points of the range; absent ones are no error. Atomic and durable like `append`.
   * @throws Problem `expired` when the range begins before the stream's horizon
   */
  deleteRange(stream: StreamId, range: TimeRange): Promise<void>;

  /** Removes the streams' points for ever; call in the transaction that removes their owner. Ids are not reused. */
  dropStreams(tx: Tx, streams: readonly StreamId[]): Promise<void>;

  /** The newest point not later than now + 5 minutes, per id, in the order asked; undefined where there is none. */
  latest(streams: readonly StreamId[]): Promise<readonly (Point | undefined)[]>;

  /** The greatest time ever accepted or deleted on the stream; -Infinity when nothing ever was. Synchronous: the MQTT hot path asks it. */
  highWater(stream: StreamId): Micros;

  /** The point at exactly this time. */
  find(stream: StreamId, time: Micros): Promise<Point | undefined>;

  /** Ascending pages of at most some thousand points; memory stays bounded however long the history is. */
  read(stream: StreamId, range: TimeRange): AsyncIterable<PointPage>;

  /**
   * Bucketed read: equals what the points themselves would give, exactly. Ascending stretches of bounded size.
   * @throws Problem `invalid-request` for an unknown zone or too many buckets
   */
  buckets(query: BucketQuery): AsyncIterable<BucketTable>;

  /**
   * Tells the listener of everything that is appended, deleted or edited from now on, on this node and on others alike,
   * once each: synchronously after the commit, operation by operation in the order of the log (of each bucket; an append
   * over several buckets is told bucket by bucket). What this node writes is told before its promise resolves; what
   * another node acknowledges, within some 60 ms (500 ms while the hints between the nodes are down). An edit or its undo
   * is a `deleteRange` of its range, then the `points` that are there now (`missed` where these are more than 10,000);
   * points that expire are not told of.
   *
   * To show a state and keep it up to date: follow first, then read. What is told meanwhile may be in what is read as
   * well; nothing falls in between. A node that was cut off for longer than a compaction takes is told `missed`.
   *
   * Runs on the write path: do little, keep no columns, throw nothing (it is logged, and others are told all the same).
   * Without a listener it costs nothing.
   * @returns ends it
   */
  follow(listener: LogListener): () => void;

  /**
   * What is still in the log, bucket by bucket, each beginning with a `missed` up to where the log begins: of what was
   * told before a restart, the newest part.
   */
  recent(): AsyncIterable<LogNews>;

  /**
   * Where the raw points of the stream begin: older ones have expired (or are about to) and are refused.
   * -Infinity for a stream that has all. Synchronous, as `highWater`.
   */
  horizon(stream: StreamId): Micros;

  /** Expiry of raw points. */
  readonly retention: StreamRetention;

  /** Changes of ranges that can be undone. */
  readonly edits: StreamEdits;

  /** Figures for /metrics and /health. */
  stats(): StoreStats;
}

export interface StreamCatalogue {
  /** Creates those that do not exist yet (by owner and key); returns all, in the order given. */
  ensure(tx: Tx, definitions: readonly StreamDefinition[]): Promise<readonly Stream[]>;
  get(id: StreamId): Promise<Stream>;
  /** Reads many at once, so that what asks for each of them next need not wait for the database. */
  prepare(ids: readonly StreamId[]): Promise<void>;
  find(owner: string, key: string): Promise<Stream | undefined>;
  /** Ascending by id; only streams with a greater id than `after`, at most `limit`. */
  list(filter: StreamFilter): Promise<readonly Stream[]>;
  /**
   * Changes what an operator may change; `labels` and `tags` are replaced whole. An empty patch changes nothing: it
   * locks the row and gives it as it is.
   */
  update(tx: Tx, id: StreamId, patch: StreamPatch): Promise<Stream>;
}

export interface StreamFilter {
  readonly owner?: string;
  readonly ids?: readonly StreamId[];
  readonly unit?: string;
  /** Each label must have this value. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Each of them must be among the stream's. */
  readonly tags?: readonly string[];
  /** Part of the key, any case. */
  readonly search?: string;
  readonly after?: StreamId;
  readonly limit: number;
}

export interface StreamPatch {
  readonly unit?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly mode?: Stream["mode"];
  /** How long raw points are kept, in microseconds; null: as the owner's or the default says. */
  readonly retention?: Micros | null;
}

export interface StoreStats {
  readonly tailPoints: number;
  readonly tailBytes: number;
  readonly commits: number;
  readonly pointsAppended: number;
  /** Refused since they were older than their stream keeps. */
  readonly pointsExpired: number;
  readonly compactions: number;
  /** Compactions taken over from another node that died or hung. */
  readonly takeovers: number;
  readonly chunkErrors: number;
}
