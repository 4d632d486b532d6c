import type { Actor } from "../../kernel/changes/changes.ts";
import { invalidField, notFound, Problem } from "../../kernel/errors.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { EditContext, EditPreview, EditRequest } from "../../kernel/timeseries/edits/contract.ts";
import type { RangeOperation } from "../../kernel/timeseries/edits/edit-operation.ts";
import type { StreamEdit } from "../../kernel/timeseries/edits/edit-store.ts";
import type { Stream, StreamId } from "../../kernel/timeseries/types.ts";
import type { EditBody } from "./edit-schemas.ts";
import { readInstant, rfc3339, utc } from "./instants.ts";
import type { Streams } from "./streams.ts";

/** Edits of ranges of streams, by those who may change the stream. */
export class Edits {
  readonly #kernel: Kernel;
  readonly #streams: Streams;

  constructor(kernel: Kernel, streams: Streams) {
    this.#kernel = kernel;
    this.#streams = streams;
  }

  /** @throws Problem as StreamEdits.preview; `not-found`, `forbidden` */
  async preview(principal: Principal, id: StreamId, body: EditBody): Promise<EditPreview> {
    const stream = await this.#streams.getForChange(principal, id);
    return this.#kernel.timeseries.edits.preview(stream, requestOf(body));
  }

  /** @throws Problem as StreamEdits.apply; `not-found`, `forbidden` */
  async apply(principal: Principal, id: StreamId, body: EditBody, actor: Actor): Promise<StreamEdit> {
    const stream = await this.#streams.getForChange(principal, id);
    const context = this.#context(stream, body.reason, actor);
    return this.#kernel.timeseries.edits.apply(stream, requestOf(body), context);
  }

  /** @throws Problem as StreamEdits.undo; `not-found`, `forbidden` */
  async undo(
    principal: Principal,
    id: StreamId,
    edit: number,
    reason: string | undefined,
    actor: Actor,
  ): Promise<StreamEdit> {
    const stream = await this.#streams.getForChange(principal, id);
    if (!Number.isSafeInteger(edit)) throw notFound(`edit of stream ${id}`, edit);
    return this.#kernel.timeseries.edits.undo(stream, edit, this.#context(stream, reason, actor));
  }

  async list(
    principal: Principal,
    id: StreamId,
    page: { readonly before?: number; readonly limit: number },
  ): Promise<readonly StreamEdit[]> {
    const stream = await this.#streams.get(principal, id);
    return this.#kernel.timeseries.edits.list(this.#kernel.database.read, stream.id, page);
  }

  #context(stream: Stream, reason: string | undefined, actor: Actor): EditContext {
    if (reason === undefined || reason.trim() === "")
      throw invalidField("reason", "Say why the points are changed; it is kept with the edit.");
    return {
      reason,
      actor: actor.name,
      record: (tx, edit) => {
        const { edit: number, before, after, ...what } = { ...editView(edit), edit: edit.id };
        const [was, is] = [before, after].map((points) => ({ edit: number, ...what, points }));
        const change = {
          actor,
          action: "update",
          resource: "stream",
          object: String(stream.id),
          reason,
        } as const;
        return this.#kernel.changes.record(tx, [{ ...change, before: was, after: is }]);
      },
    };
  }
}

function requestOf(body: EditBody): EditRequest {
  return {
    operation: operationOf(body),
    range: {
      from: readInstant("from", String(body.from), "UTC"),
      to: readInstant("to", String(body.to), "UTC"),
    },
  };
}

function operationOf({ operation, factor, by }: EditBody): RangeOperation {
  if (factor !== undefined && operation !== "scale")
    throw invalidField("factor", `It belongs to scale, not to ${operation}.`);
  if (by !== undefined && operation !== "shift")
    throw invalidField("by", `It belongs to shift, not to ${operation}.`);
  if (operation === "scale") {
    if (factor === undefined)
      throw invalidField("factor", "What the values are to be multiplied with is missing.");
    return { kind: "scale", factor };
  }
  if (operation === "shift") {
    if (by === undefined) throw invalidField("by", "What is to be added to the values is missing.");
    return { kind: "shift", by };
  }
  if (operation === "delete" || operation === "interpolate" || operation === "fix_counter_reset")
    return { kind: operation };
  throw new Problem("invalid-request", { detail: `operation: ${String(operation)} is not known.` });
}

/** An edit as it stands in answers. */
export const editView = ({ operation: { kind, ...given }, ...edit }: StreamEdit) => ({
  id: edit.id,
  stream: edit.stream,
  time: rfc3339(edit.time * 1000, utc),
  operation: kind,
  ...given,
  from: rfc3339(edit.range.from, utc),
  to: rfc3339(edit.range.to, utc),
  reason: edit.reason,
  actor: edit.actor,
  before: edit.before,
  after: edit.after,
  undoes: edit.undoes,
  undone_by: edit.undoneBy,
});
