import { Problem } from "../../errors.ts";
import { encodeChunk } from "../codec/chunk.ts";
import type { PointPage, TimeRange } from "../types.ts";
import type { EditOperation, Neighbours } from "./edit-operation.ts";
import { type EditTotals, RunningTotals } from "./edit-totals.ts";

/** An edit is one row of the log, and its points are in memory until that is in chunks. */
const maxPoints = 2_000_000;
const maxTextLength = 64 * 1024 * 1024;

/** The points of a range on one side of an edit, encoded in pages. */
export class EditSide {
  readonly blobs: Uint8Array[] = [];
  readonly #totals = new RunningTotals();
  #textLength = 0;

  /** @throws Problem `too-large` */
  add(page: PointPage): void {
    if (page.times.length === 0) return;
    this.#totals.add(page);
    for (const text of page.texts?.values() ?? []) this.#textLength += text.length;
    if (this.#totals.count > maxPoints || this.#textLength > maxTextLength)
      throw new Problem("too-large", {
        detail: `One edit changes ${maxPoints} points at most, with ${maxTextLength} characters of texts; edit the range in parts.`,
      });
    this.blobs.push(encodeChunk(page));
  }

  get count(): number {
    return this.#totals.count;
  }

  totals(neighbours: Neighbours): EditTotals {
    return this.#totals.totals(neighbours);
  }
}

/** All that an edit is going to do. */
export interface EditPlan {
  readonly operation: EditOperation;
  readonly range: TimeRange;
  /** Where nothing may change between the plan and its commit: the range, and what else the result depends on. */
  readonly basis: TimeRange;
  readonly before: EditSide;
  readonly after: EditSide;
  readonly neighbours: Neighbours;
}
