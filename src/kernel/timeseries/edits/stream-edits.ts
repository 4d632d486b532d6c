import { sql } from "kysely";
import type { Database, Queryable, Tx } from "../../database/engine.ts";
import { notFound, Problem } from "../../errors.ts";
import type { Clock } from "../../time.ts";
import type { Catalogue } from "../catalogue.ts";
import { checkNotExpired, checkRange } from "../checks.ts";
import { decodeLogBatch } from "../codec/log-batch.ts";
import type { CommittedRow } from "../commit-queue.ts";
import type { Horizons } from "../horizons.ts";
import type { LogFollower } from "../log-follower.ts";
import { appendRow } from "../log-in-transaction.ts";
import type { Reader } from "../reader.ts";
import type { Serial } from "../serial.ts";
import type { Stream, StreamId, TimeRange } from "../types.ts";
import type { EditContext, EditPreview, EditRequest, StreamEdits } from "./contract.ts";
import { editOperations } from "./edit-log.ts";
import type { EditPlan } from "./edit-plan.ts";
import { getEdit, insertEdit, listEdits, type StreamEdit } from "./edit-store.ts";
import { planEdit, planUndo } from "./planning.ts";

export interface EditParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly catalogue: Catalogue;
  readonly horizons: Horizons;
  readonly reader: Reader;
  readonly follower: LogFollower;
  readonly serial: Serial;
  /** Whether the tail has no room for so many points more. */
  full(points: number): boolean;
}

/** How often a plan is made anew because points came into its range. */
const attempts = 8;

export class RangeEdits implements StreamEdits {
  readonly #parts: EditParts;

  constructor(parts: EditParts) {
    this.#parts = parts;
  }

  async preview(stream: Stream, request: EditRequest): Promise<EditPreview> {
    this.#check(stream, request.range);
    const { before, after, neighbours } = await planEdit(
      this.#parts.reader,
      this.#horizon(stream),
      stream,
      request,
    );
    return { before: before.totals(neighbours), after: after.totals(neighbours) };
  }

  apply(stream: Stream, request: EditRequest, context: EditContext): Promise<StreamEdit> {
    return this.#change(stream, context, null, () => {
      this.#check(stream, request.range);
      return planEdit(this.#parts.reader, this.#horizon(stream), stream, request);
    });
  }

  undo(stream: Stream, id: number, context: EditContext): Promise<StreamEdit> {
    const { database, reader } = this.#parts;
    return this.#change(stream, context, id, async () => {
      const edit = await getEdit(database.read, stream.id, id);
      if (!edit) throw notFound(`edit of stream ${stream.id}`, id);
      if (edit.undoneBy !== null)
        throw new Problem("conflict", {
          detail: `Edit ${id} is undone by edit ${edit.undoneBy}; undo that one to make it again.`,
        });
      this.#check(stream, edit.range);
      return planUndo(reader, this.#horizon(stream), database.read, edit);
    });
  }

  list(
    db: Queryable,
    stream: StreamId,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly StreamEdit[]> {
    return listEdits(db, stream, page);
  }

  #horizon({ id }: Stream): number {
    return this.#parts.horizons.of(id);
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

  #change(
    stream: Stream,
    context: EditContext,
    undoes: number | null,
    plan: () => Promise<EditPlan>,
  ): Promise<StreamEdit> {
    return this.#parts.serial.run(async () => {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const seen = this.#parts.follower.cursor(stream.bucket);
        const made = await this.#commit(stream, await plan(), seen, context, undoes);
        if (made) return made;
      }
      throw new Problem("conflict", {
        detail: "Points keep coming into the range; choose an end before the newest of them.",
      });
    });
  }

  /**
   * @param seen the row of the log up to which the plan knows what there is
   * @returns undefined when the plan does not hold any more
   */
  async #commit(
    stream: Stream,
    plan: EditPlan,
    seen: number,
    context: EditContext,
    undoes: number | null,
  ): Promise<StreamEdit | undefined> {
    const { database, follower, catalogue, clock, full } = this.#parts;
    if (full(plan.after.count))
      throw new Problem("store-busy", {
        detail: "The store is compacting what came before; send this again in a second.",
        headers: { "retry-after": "1" },
      });
    let row: CommittedRow | undefined;
    const operations = editOperations(stream.id, plan);
    const write = async (tx: Tx): Promise<StreamEdit | undefined> => {
      row = undefined;
      // The row of the stream first, then the head of the log: the order in which streams are removed.
      await catalogue.update(tx, stream.id, {});
      if (await hasChanged(tx, stream, seen, plan.basis)) return undefined;
      const appended = await appendRow(tx, stream.bucket, operations, plan.after.count, clock.now());
      const edit = {
        stream: stream.id,
        time: clock.now(),
        operation: plan.operation,
        range: plan.range,
        reason: context.reason,
        actor: context.actor,
        before: plan.before.totals(plan.neighbours),
        after: plan.after.totals(plan.neighbours),
        undoes,
      };
      const made = await insertEdit(tx, edit, plan);
      await context.record(tx, made);
      row = appended;
      return made;
    };
    const made = await database.write(write).catch((error: unknown) => {
      // It may have been committed all the same.
      follower.recover();
      throw error;
    });
    if (row) await follower.settle([row]);
    return made;
  }
}

/** Whether rows of the log after `seen` touch the range; from here on to the end of the transaction none will. */
async function hasChanged(tx: Tx, { id, bucket }: Stream, seen: number, range: TimeRange): Promise<boolean> {
  const heads = await sql<{ compacted_seq: number }>`
    update log_head set seq = seq where bucket = ${bucket} returning compacted_seq`.execute(tx);
  const horizons = await sql<{ horizon: number }>`
    select horizon from stream_horizons where bucket = ${bucket} and stream_id = ${id}`.execute(tx);
  if ((horizons.rows[0]?.horizon ?? range.from) > range.from) return true;
  if ((heads.rows[0]?.compacted_seq ?? 0) > seen) return true;
  const { rows } = await sql<{ blob: Uint8Array }>`
    select blob from log where bucket = ${bucket} and seq > ${seen} order by seq`.execute(tx);
  return rows.some(({ blob }) => touches(blob, id, range));
}

function touches(blob: Uint8Array, stream: StreamId, { from, to }: TimeRange): boolean {
  for (const operation of decodeLogBatch(blob)) {
    if (operation.kind === "points") {
      for (let i = 0; i < operation.count; i++) {
        const time = operation.times[i] as number;
        if (operation.streams[i] === stream && time >= from && time < to) return true;
      }
    } else if (operation.stream === stream) {
      if (operation.kind === "dropStream") return true;
      if (operation.range.from < to && operation.range.to > from) return true;
    }
  }
  return false;
}
