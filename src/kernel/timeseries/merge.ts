import type { PointPage } from "./types.ts";

/** Points of several sources in one order: by time, at the same time by the number of the source. */
export interface MergedPage {
  /** The number of each point's source. */
  readonly sources: Uint32Array;
  readonly times: Float64Array;
  /** NaN where `texts` holds the value. */
  readonly values: Float64Array;
  readonly texts?: ReadonlyMap<number, string>;
}

const rowsPerPage = 4096;

interface Head {
  readonly source: number;
  readonly pages: AsyncIterator<PointPage>;
  page: PointPage;
  at: number;
}

/** Merges ascending pages; holds one page of each source and one of its own. Ends the sources when it is ended. */
export async function* mergePoints(sources: readonly AsyncIterable<PointPage>[]): AsyncGenerator<MergedPage> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    let heads: Head[] = [];
    for (const [source, pages] of iterators.entries()) {
      const page = await nextPage(pages);
      if (page) heads.push({ source, pages, page, at: 0 });
    }
    const rows = new Rows();
    while (heads.length > 0) {
      const empty = rows.takeWhileFull(heads);
      if (rows.count === rowsPerPage || empty === undefined) yield rows.flush();
      if (empty === undefined) continue;
      const page = await nextPage(empty.pages);
      if (page) Object.assign(empty, { page, at: 0 });
      else heads = heads.filter((head) => head !== empty);
    }
    if (rows.count > 0) yield rows.flush();
  } finally {
    for (const iterator of iterators) await iterator.return?.();
  }
}

async function nextPage(pages: AsyncIterator<PointPage>): Promise<PointPage | undefined> {
  for (;;) {
    const next = await pages.next();
    if (next.done) return undefined;
    if (next.value.times.length > 0) return next.value;
  }
}

class Rows {
  count = 0;
  #sources = new Uint32Array(rowsPerPage);
  #times = new Float64Array(rowsPerPage);
  #values = new Float64Array(rowsPerPage);
  #texts = new Map<number, string>();

  /** Takes points in order until the page is full; returns the head that ran out before, if one did. */
  takeWhileFull(heads: readonly Head[]): Head | undefined {
    while (this.count < rowsPerPage) {
      const head = earliest(heads);
      this.#add(head);
      if (++head.at === head.page.times.length) return head;
    }
    return undefined;
  }

  flush(): MergedPage {
    const page: MergedPage = {
      sources: this.#sources.slice(0, this.count),
      times: this.#times.slice(0, this.count),
      values: this.#values.slice(0, this.count),
      ...(this.#texts.size > 0 ? { texts: this.#texts } : {}),
    };
    this.count = 0;
    this.#texts = new Map();
    return page;
  }

  #add({ source, page, at }: Head): void {
    this.#sources[this.count] = source;
    this.#times[this.count] = page.times[at] as number;
    this.#values[this.count] = page.values[at] as number;
    const text = page.texts?.get(at);
    if (text !== undefined) this.#texts.set(this.count, text);
    this.count++;
  }
}

/** Heads are in the order of their numbers, so that the first of equal times wins. */
function earliest(heads: readonly Head[]): Head {
  let best = heads[0] as Head;
  let time = best.page.times[best.at] as number;
  for (let i = 1; i < heads.length; i++) {
    const head = heads[i] as Head;
    const other = head.page.times[head.at] as number;
    if (other < time) {
      best = head;
      time = other;
    }
  }
  return best;
}
