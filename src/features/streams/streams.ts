import type { Actor } from "../../kernel/changes/changes.ts";
import { notFound, Problem } from "../../kernel/errors.ts";
import type { Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { StreamFilter, StreamPatch } from "../../kernel/timeseries/store.ts";
import type { Stream, StreamId } from "../../kernel/timeseries/types.ts";
import type { StreamPatchBody } from "./schemas.ts";
import { definitionView, readRetention } from "./views.ts";

/** How many rows are looked at for one that may be seen, before it is asked for more. */
const batch = 1000;

/** The catalogue as a principal may see it: what it may not see is not there. */
export class Streams {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Ascending by id, at most `limit`. */
  async list(principal: Principal, filter: StreamFilter): Promise<readonly Stream[]> {
    const { timeseries, streamOwners } = this.#kernel;
    const seen: Stream[] = [];
    let after = filter.after ?? 0;
    while (seen.length < filter.limit) {
      const wanted = Math.max(batch, filter.limit - seen.length);
      const rows = await timeseries.streams.list({ ...filter, after, limit: wanted });
      for (const stream of rows)
        if (seen.length < filter.limit && streamOwners.mayRead(principal, stream)) seen.push(stream);
      const last = rows.at(-1);
      if (rows.length < wanted || last === undefined) break;
      after = last.id;
    }
    return seen;
  }

  /** @throws Problem `not-found`, also for one that the principal may not see */
  async get(principal: Principal, id: StreamId): Promise<Stream> {
    const stream = isPossible(id) ? await this.#kernel.timeseries.streams.get(id) : undefined;
    if (!stream || !this.#kernel.streamOwners.mayRead(principal, stream)) throw notFound("stream", id);
    return stream;
  }

  /** @throws Problem `not-found`, `forbidden` when its owner does not let the principal change it */
  async getForChange(principal: Principal, id: StreamId): Promise<Stream> {
    const stream = await this.get(principal, id);
    this.#checkMayChange(principal, stream);
    return stream;
  }

  /** In the order of the ids, each once. @throws Problem `not-found` */
  async getMany(principal: Principal, ids: readonly StreamId[]): Promise<readonly Stream[]> {
    const streams: Stream[] = [];
    await this.#kernel.timeseries.streams.prepare(ids.filter(isPossible));
    for (const id of new Set(ids)) streams.push(await this.get(principal, id));
    return streams;
  }

  /**
   * @param check throws when the stream is not as the caller believes (If-Match)
   * @throws Problem `not-found`, `forbidden`, `invalid-request`
   */
  async patch(
    principal: Principal,
    id: StreamId,
    body: StreamPatchBody,
    actor: Actor,
    check: (current: Stream) => void,
  ): Promise<Stream> {
    const { database, timeseries, streamOwners, changes } = this.#kernel;
    const patch = patchOf(body);
    return database.write(async (tx) => {
      await this.get(principal, id);
      const before = await timeseries.streams.update(tx, id, {});
      this.#checkMayChange(principal, before);
      check(before);
      const after = await timeseries.streams.update(tx, id, patch);
      const views = [definitionView(before), definitionView(after)] as const;
      if (JSON.stringify(views[0]) === JSON.stringify(views[1])) return after;
      await streamOwners.changed(tx, before, after, actor);
      await changes.record(tx, [
        {
          actor,
          action: "update",
          resource: "stream",
          object: String(id),
          before: views[0],
          after: views[1],
          ...(body.reason === undefined ? {} : { reason: body.reason }),
        },
      ]);
      return after;
    });
  }

  #checkMayChange(principal: Principal, stream: Stream): void {
    if (this.#kernel.streamOwners.mayChange(principal, stream)) return;
    throw new Problem("forbidden", {
      detail: `${principal.name} may see stream ${stream.id} of ${stream.owner}, but not change it.`,
    });
  }
}

const isPossible = (id: StreamId): boolean => id > 0 && id < 2 ** 32;

const patchOf = ({ unit, labels, tags, mode, retention }: StreamPatchBody): StreamPatch => ({
  ...(unit === undefined ? {} : { unit }),
  ...(labels === undefined ? {} : { labels }),
  ...(tags === undefined ? {} : { tags }),
  ...(mode === undefined ? {} : { mode: mode as Stream["mode"] }),
  ...(retention === undefined ? {} : { retention: readRetention(retention) }),
});
