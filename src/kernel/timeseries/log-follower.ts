import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import { decodeLogBatch } from "./codec/log-batch.ts";
import type { CommittedRow } from "./commit-queue.ts";
import type { Generation } from "./generation.ts";
import type { LogListeners } from "./log-listeners.ts";
import type { LogNews, LogNotice } from "./log-notice.ts";
import { LogWatch, type WatchOptions } from "./log-watch.ts";
import { SharedRuns } from "./shared-runs.ts";
import type { BucketHead, LogRow, Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";

/** Heads that do not move although rows are missing: nobody has compacted them. */
const patience = 3;

export interface TailEvents {
  /** The generation is in chunks, but for what is read from the log again; called before the tail forgets it. */
  compacted(generation: Generation): void;
  /** Rows went into chunks that the tail never saw: what was known of chunks counts no more. */
  restarted(): void;
  /** The heads of the log as they are now; all that follows from them is to be known when it resolves. */
  heads(heads: readonly BucketHead[]): Promise<void>;
}

type Operations = CommittedRow["operations"];

/** An empty row is one that could not be decoded; the points of a large edit are not at hand. */
const newsOf = (bucket: number, seq: number, operations: Operations): LogNews =>
  operations.length > 0
    ? { place: { bucket, seq }, notices: operations.map((operation) => noticeOf(bucket, operation)) }
    : missedUpTo(bucket, seq);

const noticeOf = (bucket: number, operation: Operations[number]): LogNotice =>
  operation.kind === "placeChunks" ? { kind: "missed", bucket } : operation;

const missedUpTo = (bucket: number, seq: number): LogNews => ({
  place: { bucket, seq },
  notices: [{ kind: "missed", bucket }],
});

/**
 * Keeps the tail equal to the log, by one cursor per bucket. Rows are applied in the order of their numbers, without
 * gap: what another node wrote, or a commit whose answer was lost with the connection, is read from the log first.
 *
 * Chunks and tail go together under two rules. At every moment the tail holds all rows in (floor, cursor] of each
 * bucket, and perhaps older ones. Chunks that were read are those of some `compactedSeq`, which must lie in [floor,
 * cursor]: laying rows over chunks that have them already changes nothing, as long as the later ones follow. So
 * - what raises a floor changes `Tail.epoch`, and a reader whose epoch has changed reads its chunks again;
 * - after chunks were read the cursors are brought up to the heads of a query that began later (`Storage.follow`):
 *   no older tail lies over newer chunks. The same query gives the reader all that any node has acknowledged.
 * When another node has compacted, the rows after `compactedSeq` are read into a generation beside the tail, which
 * takes its place in one step, so that no reader meets a gap. Where rows disappear while they are read, they have
 * become chunks, and it is tried again from the heads.
 *
 * Listeners hear of each row when the tail takes it, before its writer gets the acknowledgement.
 */
export class LogFollower {
  readonly #storage: Storage;
  readonly #tail: Tail;
  readonly #log: Log;
  readonly #events: TailEvents;
  readonly #listeners: LogListeners;
  readonly #watch: LogWatch;
  readonly #cursors: number[] = [];
  readonly #floors: number[] = [];
  /** What the frozen generation reaches to, per bucket. */
  #frozenUpTo: readonly number[] = [];
  readonly #catchingUp = new SharedRuns(() => this.#catchUp());
  #replacing = false;
  #corrupt = 0;

  constructor(storage: Storage, tail: Tail, log: Log, events: TailEvents, listeners: LogListeners) {
    this.#storage = storage;
    this.#tail = tail;
    this.#log = log;
    this.#events = events;
    this.#listeners = listeners;
    this.#watch = new LogWatch(() => this.refresh(), log);
  }

  /** Rows that could not be decoded. */
  get corrupt(): number {
    return this.#corrupt;
  }

  /** The newest row of the bucket that the tail holds. */
  cursor(bucket: number): number {
    return this.#cursors[bucket] ?? 0;
  }

  /** Makes committed rows visible: at once where nothing is missing before them. */
  settle(rows: readonly CommittedRow[]): Promise<void> | undefined {
    let missing = false;
    for (const { bucket, seq, operations } of rows) {
      const next = this.cursor(bucket) + 1;
      if (seq > next || (seq === next && this.#replacing)) missing = true;
      else if (seq === next) {
        this.#take(bucket, seq, operations);
      }
    }
    this.#watch.tellOthers();
    return missing ? this.#upTo(rows) : undefined;
  }

  async #upTo(rows: readonly CommittedRow[]): Promise<void> {
    while (rows.some(({ bucket, seq }) => this.cursor(bucket) < seq)) await this.refresh();
  }

  /** Reads what the log has beyond the cursors: all that was committed when it was called is in the tail then. */
  refresh(): Promise<void> {
    return this.#catchingUp.run();
  }

  /** See TimeSeries.recent. */
  async *recent(): AsyncGenerator<LogNews> {
    for (const { bucket, seq, compactedSeq } of await this.#storage.heads()) {
      let at = compactedSeq;
      yield missedUpTo(bucket, at);
      for await (const row of this.#storage.log(bucket, at, seq)) {
        if (this.#isGap(at, row.seq)) yield missedUpTo(bucket, row.seq - 1);
        yield newsOf(bucket, row.seq, this.#decode(bucket, row));
        at = row.seq;
      }
      if (this.#isGap(at, seq + 1)) yield missedUpTo(bucket, seq);
    }
  }

  /** Keeps trying to refresh, for as long as the database is away. */
  recover(): void {
    this.#watch.recover();
  }

  /** Refreshes by itself from now on: what other nodes wrote becomes visible without anybody asking. */
  watch(options: WatchOptions): Promise<void> {
    return this.#watch.start(options);
  }

  /** Freezes the tail as far as it goes now; returns that, per bucket. */
  freeze(buckets: number): readonly number[] {
    this.#watch.tellAtOnce();
    this.#tail.freeze();
    this.#frozenUpTo = Array.from({ length: buckets }, (_, bucket) => this.cursor(bucket));
    return this.#frozenUpTo;
  }

  /** The frozen generation is in chunks. */
  dropFrozen(): void {
    const { frozen } = this.#tail;
    if (!frozen) return;
    this.#events.compacted(frozen);
    this.#tail.dropFrozen();
    for (const [bucket, seq] of this.#frozenUpTo.entries()) this.#floors[bucket] = seq;
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#catchingUp.idle();
  }

  async #catchUp(): Promise<void> {
    let before: readonly BucketHead[] = [];
    for (let unmoved = 0; ; ) {
      const heads = await this.#storage.heads();
      await this.#events.heads(heads);
      const moved = heads.some(({ compactedSeq }, i) => compactedSeq !== before[i]?.compactedSeq);
      unmoved = moved ? 0 : unmoved + 1;
      before = heads;
      if (unmoved === patience) this.#log.error({ heads }, "rows of the log are missing; they are left out");
      if (await this.#follow(heads, unmoved >= patience)) return;
    }
  }

  /** @returns false when rows were gone before they were read */
  async #follow(heads: readonly BucketHead[], withGaps: boolean): Promise<boolean> {
    if (heads.every(({ bucket, compactedSeq }) => compactedSeq >= (this.#frozenUpTo[bucket] ?? 0)))
      this.dropFrozen();
    if (this.#isSuperseded(heads)) return this.#replace(heads, withGaps);
    for (const { bucket, seq } of heads) {
      if (this.cursor(bucket) >= seq) continue;
      for await (const row of this.#storage.log(bucket, this.cursor(bucket), seq)) {
        // Its own commits may have come this far meanwhile.
        if (row.seq <= this.cursor(bucket)) continue;
        if (this.#isGap(this.cursor(bucket), row.seq)) {
          if (!withGaps) return false;
          this.#listeners.tell(missedUpTo(bucket, row.seq - 1));
        }
        this.#take(bucket, row.seq, this.#decode(bucket, row));
      }
      if (this.#isGap(this.cursor(bucket), seq + 1)) {
        if (!withGaps) return false;
        this.#listeners.tell(missedUpTo(bucket, seq));
      }
      this.#cursors[bucket] = Math.max(seq, this.cursor(bucket));
    }
    return true;
  }

  /** The bucket's next row. */
  #take(bucket: number, seq: number, operations: Operations): void {
    this.#tail.apply(operations);
    this.#cursors[bucket] = seq;
    if (this.#listeners.any) this.#listeners.tell(newsOf(bucket, seq, operations));
  }

  /** Only where other nodes compact: a cut-off compaction on SQLite leaves the end of the log, which is all there is. */
  #isGap(at: number, next: number): boolean {
    return this.#storage.lease !== undefined && next > at + 1;
  }

  /** Whether chunks hold what the tail lacks, or all that an earlier part of the tail holds. */
  #isSuperseded(heads: readonly BucketHead[]): boolean {
    if (heads.some(({ bucket, compactedSeq }) => compactedSeq > this.cursor(bucket))) return true;
    if (this.#tail.frozen) return false;
    const floor = (bucket: number) => this.#floors[bucket] ?? 0;
    return (
      heads.some(({ bucket, compactedSeq }) => compactedSeq > floor(bucket)) &&
      heads.every(
        ({ bucket, compactedSeq }) => compactedSeq > floor(bucket) || this.cursor(bucket) === floor(bucket),
      )
    );
  }

  async #replace(heads: readonly BucketHead[], withGaps: boolean): Promise<boolean> {
    const missed = heads.some(({ bucket, compactedSeq }) => compactedSeq > this.cursor(bucket));
    const staged = this.#tail.stage();
    const news: LogNews[] = [];
    this.#replacing = true;
    try {
      if (missed) await this.#storage.loadMarks();
      const upTo = heads.map(({ bucket, seq }) => Math.max(seq, this.cursor(bucket)));
      for (const [i, { bucket, compactedSeq }] of heads.entries()) {
        let at = compactedSeq;
        let missing = at > this.cursor(bucket);
        for await (const row of this.#storage.log(bucket, at, upTo[i] ?? 0)) {
          missing ||= this.#isGap(at, row.seq);
          if (!withGaps && this.#isGap(at, row.seq)) return false;
          const operations = this.#decode(bucket, row);
          for (const operation of operations) staged.apply(operation);
          if (row.seq > this.cursor(bucket) && this.#listeners.any)
            news.push(newsOf(bucket, row.seq, operations));
          at = row.seq;
        }
        missing ||= this.#isGap(at, (upTo[i] ?? 0) + 1);
        if (!withGaps && this.#isGap(at, (upTo[i] ?? 0) + 1)) return false;
        if (missing) news.push(missedUpTo(bucket, upTo[i] ?? 0));
      }
      for (const generation of this.#tail.generations) this.#events.compacted(generation);
      this.#tail.replace(staged);
      for (const [i, { bucket, compactedSeq }] of heads.entries()) {
        this.#cursors[bucket] = upTo[i] ?? 0;
        this.#floors[bucket] = compactedSeq;
      }
      if (missed) this.#events.restarted();
      for (const row of news) this.#listeners.tell(row);
      return true;
    } finally {
      this.#replacing = false;
    }
  }

  #decode(bucket: number, row: LogRow): Operations {
    try {
      return decodeLogBatch(row.blob);
    } catch (error) {
      this.#corrupt++;
      this.#log.error(
        { bucket, seq: row.seq, error: messageOf(error) },
        "a log row is damaged; it is left out",
      );
      return [];
    }
  }
}
