import type { Database, Queryable, Tx } from "../../database/engine.ts";
import { notFound, Problem } from "../../errors.ts";
import type { Clock, Millis } from "../../time.ts";
import type { Catalogue } from "../catalogue.ts";
import { checkNotExpired, checkRange } from "../checks.ts";
import type { LogOperation } from "../codec/log-batch.ts";
import type { CommittedRow } from "../commit-queue.ts";
import type { Compaction } from "../compaction.ts";
import type { Horizons } from "../horizons.ts";
import type { LogFollower } from "../log-follower.ts";
import { appendRow } from "../log-in-transaction.ts";
import type { LogListener } from "../log-notice.ts";
import type { Reader } from "../reader.ts";
import type { Serial } from "../serial.ts";
import { bucketOf } from "../storage.ts";
import type { Stream, StreamId, TimeRange } from "../types.ts";
import type { EditContext, EditPreview, EditRequest, StreamEdits } from "./contract.ts";
import { insertChunks } from "./edit-chunks.ts";
import { editOperations } from "./edit-log.ts";
import type { EditOperation } from "./edit-operation.ts";
import type { ChunkSink, EditPlan } from "./edit-plan.ts";
import {
  beginEdit,
  finishEdit,
  getEdit,
  listEdits,
  removeUnmade,
  type StreamEdit,
  unmadeEdits,
} from "./edit-store.ts";
import { type PlanParts, planEdit, planUndo } from "./planning.ts";
import { rangeChanged } from "./range-changed.ts";
import { RangeWatch } from "./range-watch.ts";

export interface EditOptions {
  /** Edits of more points put chunks of their own in place, rather than points into the log. */
  readonly inlinePoints: number;
  readonly maxPoints: number;
}

export interface EditParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly catalogue: Catalogue;
  readonly horizons: Horizons;
  readonly reader: Reader;
  readonly follower: LogFollower;
  readonly compaction: Compaction;
  readonly serial: Serial;
  readonly bucketCount: number;
  /** Whether other nodes may be preparing edits. */
  readonly shared: boolean;
  readonly options: EditOptions;
  /** Tells of what comes into the log. */
  listen(listener: LogListener): () => void;
  /** Whether the tail has no room for so many points more. */
  full(points: number): boolean;
}

/** How often a plan is made anew because points came into its range. */
const attempts = 8;
/** What another node has begun and not made for so long, it will not make. */
const unmadeMillis: Millis = 6 * 3_600_000;

type Plan = (parts: PlanParts) => Promise<EditPlan>;

interface Wanted {
  readonly stream: Stream;
  readonly operation: EditOperation;
  readonly range: TimeRange;
  readonly undoes: number | null;
  readonly context: EditContext;
  readonly plan: Plan;
}

export class RangeEdits implements StreamEdits {
  readonly #parts: EditParts;

  constructor(parts: EditParts) {
    this.#parts = parts;
  }

  async preview(stream: Stream, request: EditRequest): Promise<EditPreview> {
    this.#check(stream, request.range);
    const parts = { ...this.#planParts(stream), basis: () => undefined };
    const { before, after, neighbours } = await planEdit(parts, stream, request);
    return { before: before.totals(neighbours), after: after.totals(neighbours) };
  }

  apply(stream: Stream, request: EditRequest, context: EditContext): Promise<StreamEdit> {
    const plan: Plan = (parts) => planEdit(parts, stream, request);
    return this.#parts.serial.run(() => this.#make({ stream, ...request, undoes: null, context, plan }));
  }

  undo(stream: Stream, id: number, context: EditContext): Promise<StreamEdit> {
    return this.#parts.serial.run(async () => {
      const edit = await getEdit(this.#parts.database.read, stream.id, id);
      if (!edit) throw notFound(`edit of stream ${stream.id}`, id);
      if (edit.undoneBy !== null)
        throw new Problem("conflict", {
          detail: `Edit ${id} is undone by edit ${edit.undoneBy}; undo that one to make it again.`,
        });
      const operation = { kind: "undo", edit: id } as const;
      const plan: Plan = (parts) => planUndo(parts, stream, edit);
      return this.#make({ stream, operation, range: edit.range, undoes: id, context, plan });
    });
  }

  list(
    db: Queryable,
    stream: StreamId,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly StreamEdit[]> {
    return listEdits(db, stream, page);
  }

  /** What was cut off while it was prepared was never there; its chunks go here. */
  async removeUnmade(): Promise<void> {
    const { database, clock, shared, bucketCount } = this.#parts;
    const before = shared ? clock.now() - unmadeMillis : Number.MAX_SAFE_INTEGER;
    for (const { id, stream_id } of await unmadeEdits(database.read, before))
      await removeUnmade(database, bucketOf(stream_id, bucketCount), id, true);
  }

  #planParts({ id }: Stream): Omit<PlanParts, "basis"> {
    const { reader, horizons, database, options } = this.#parts;
    return { reader, horizon: horizons.of(id), db: database.read, maxPoints: options.maxPoints };
  }

  #check({ id, mode }: Stream, range: TimeRange): void {
    checkRange(id, range);
    if (!(range.from < range.to))
      throw new Problem("invalid-request", {
        detail: "to: It must be after from.",
        errors: [{ pointer: "/to", detail: "It must be after from." }],
        fields: { to: ["It must be after from."] },
      });
    checkNotExpired("from", range.from, this.#parts.horizons.door(id));
    if (mode === "last")
      throw new Problem("conflict", {
        detail: `Stream ${id} keeps only its newest point; it has no ranges to edit.`,
      });
  }

  /** One at a time: see Serial. */
  async #make(wanted: Wanted): Promise<StreamEdit> {
    const { stream, operation, range, undoes, context } = wanted;
    const { database, clock } = this.#parts;
    this.#check(stream, range);
    await this.removeUnmade();
    const { reason, actor } = context;
    const head = { stream: stream.id, time: clock.now(), operation, range, reason, actor, undoes };
    const id = await database.write((tx) => beginEdit(tx, head));
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const made = await this.#attempt(wanted, id);
        if (made) return made;
        await removeUnmade(database, stream.bucket, id, false);
        this.#check(stream, range);
      }
      throw new Problem("conflict", {
        detail: "Points keep coming into the range; choose an end before the newest of them.",
      });
    } catch (error) {
      // Where the database is away the next edit removes it.
      if (!(await this.#isMade(stream, id)))
        await removeUnmade(database, stream.bucket, id, true).catch(() => undefined);
      throw error;
    }
  }

  /** A commit whose answer was lost may have taken place. */
  #isMade(stream: Stream, id: number): Promise<boolean> {
    return getEdit(this.#parts.database.read, stream.id, id).then(
      (edit) => edit !== undefined,
      () => true,
    );
  }

  /** @returns undefined when the plan does not hold any more */
  async #attempt(wanted: Wanted, id: number): Promise<StreamEdit | undefined> {
    const { stream } = wanted;
    const { database, follower, compaction, full, options } = this.#parts;
    using watch = new RangeWatch(stream, this.#parts.listen);
    const plan = await wanted.plan({
      ...this.#planParts(stream),
      basis: (basis) => watch.narrow(basis),
      sink:
        (side): ChunkSink =>
        (chunks) =>
          database.write((tx) => insertChunks(tx, stream.bucket, id, side, chunks)),
    });
    const points = plan.points ?? { edit: id, flipped: false };
    const operations = await editOperations(database.read, stream, plan, points, options.inlinePoints);
    const inLog = plan.after.count > options.inlinePoints ? 0 : plan.after.count;
    if (full(inLog))
      throw new Problem("store-busy", {
        detail: "The store is compacting what came before; send this again in a second.",
        headers: { "retry-after": "1" },
      });
    const edit = { ...this.#edit(wanted, plan), id, points };
    const committed = await this.#commit(wanted, plan, watch, { edit, operations, inLog });
    if (!committed) return undefined;
    await follower.settle([committed.row]);
    compaction.consider();
    return committed.made;
  }

  #edit({ stream, undoes, context }: Wanted, plan: EditPlan) {
    const { operation, range, neighbours } = plan;
    return {
      stream: stream.id,
      time: this.#parts.clock.now(),
      operation,
      range,
      reason: context.reason,
      actor: context.actor,
      before: plan.before.totals(neighbours),
      after: plan.after.totals(neighbours),
      undoes,
    };
  }

  async #commit(
    { stream, context }: Wanted,
    { basis, range }: EditPlan,
    watch: RangeWatch,
    {
      edit,
      operations,
      inLog,
    }: {
      readonly edit: Omit<StreamEdit, "undoneBy">;
      readonly operations: readonly LogOperation[];
      readonly inLog: number;
    },
  ): Promise<{ readonly made: StreamEdit; readonly row: CommittedRow } | undefined> {
    const { database, follower, catalogue, clock } = this.#parts;
    const seen = follower.cursor(stream.bucket);
    if (watch.changed) return undefined;
    const write = async (tx: Tx) => {
      // The row of the stream first, then the head of the log: the order in which streams are removed.
      this.#check(await catalogue.update(tx, stream.id, {}), range);
      if (await rangeChanged(tx, stream, seen, basis)) return undefined;
      const row = await appendRow(tx, stream.bucket, operations, inLog, clock.now());
      const made = await finishEdit(tx, edit);
      await context.record(tx, made);
      return { made, row };
    };
    return database.write(write).catch((error: unknown) => {
      // It may have been committed all the same.
      follower.recover();
      throw error;
    });
  }
}
