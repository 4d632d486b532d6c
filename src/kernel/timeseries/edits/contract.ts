import type { Queryable, Tx } from "../../database/engine.ts";
import type { Stream, StreamId, TimeRange } from "../types.ts";
import type { RangeOperation } from "./edit-operation.ts";
import type { StreamEdit } from "./edit-store.ts";
import type { EditTotals } from "./edit-totals.ts";

export interface EditRequest {
  readonly operation: RangeOperation;
  readonly range: TimeRange;
}

/** Who makes the edit and why, and what else belongs into its transaction. */
export interface EditContext {
  readonly reason: string;
  readonly actor: string;
  /** Throwing undoes everything. */
  record(tx: Tx, edit: StreamEdit): Promise<void>;
}

export interface EditPreview {
  readonly before: EditTotals;
  readonly after: EditTotals;
}

/** Changes of a range of one stream: all or nothing, and exactly undone. */
export interface StreamEdits {
  /** What the edit would do; changes nothing. @throws as `apply` */
  preview(stream: Stream, request: EditRequest): Promise<EditPreview>;
  /**
   * Takes some seconds per million points, during which the stream is as it was.
   * @throws Problem `invalid-request`; `expired`; `too-large` for more than 100 million points; `store-busy`; `conflict`
   *   when points keep coming into the range meanwhile, or the stream keeps only its newest point
   */
  apply(stream: Stream, request: EditRequest, context: EditContext): Promise<StreamEdit>;
  /**
   * Gives the range the points it had before the edit. It is an edit itself, and can be undone.
   * @throws Problem `not-found`; `conflict` when it is undone already, or points of the range have changed since
   */
  undo(stream: Stream, edit: number, context: EditContext): Promise<StreamEdit>;
  /** Newest first. */
  list(
    db: Queryable,
    stream: StreamId,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly StreamEdit[]>;
}
