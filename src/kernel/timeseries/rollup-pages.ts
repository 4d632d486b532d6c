import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Micros } from "../time.ts";
import { type CellWidth, floorTo, quarterHour, storable, stretchOf } from "./buckets/cells.ts";
import { decodeRollups } from "./buckets/rollup-codec.ts";
import type { RollupPage } from "./buckets/rollup-page.ts";
import type { Generation } from "./generation.ts";
import { lowerBound } from "./pages.ts";
import type { RollupRow, Sometimes, Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";
import type { StreamId, TimeRange } from "./types.ts";

/** The rollups of a stretch; undefined where they cannot be decoded. */
export interface LoadedStretch extends TimeRange {
  readonly page: RollupPage | undefined;
}

type Cached = RollupPage | "none" | "corrupt";

class StreamPages {
  readonly quarters = new Map<Micros, Cached>();
  readonly days = new Map<Micros, Cached>();
  bytes = 0;
}

/** Nine columns and three totals, mostly of one column each. */
const rowBytes = 96;
const entryBytes = 200;

/**
 * Rollups as they are in the database, decoded; what was read last is kept, by stream. A page is valid until the tail
 * drops what changed it: up to then all that changes is in the tail, and covers it.
 */
export class RollupPages {
  readonly #storage: Storage;
  readonly #tail: Tail;
  readonly #log: Log;
  readonly #maxBytes: number;
  /** The least recently used first. */
  readonly #streams = new Map<StreamId, StreamPages>();
  #bytes = 0;
  #corrupt = 0;

  constructor(storage: Storage, tail: Tail, log: Log, maxBytes: number) {
    this.#storage = storage;
    this.#tail = tail;
    this.#log = log;
    this.#maxBytes = maxBytes;
  }

  /** How often a page could not be decoded. */
  get corrupt(): number {
    return this.#corrupt;
  }

  /** The stretches that [from, to) touches and that have rollups, ascending. */
  load(stream: StreamId, width: CellWidth, from: Micros, to: Micros): Sometimes<readonly LoadedStretch[]> {
    const pages = this.#of(stream);
    const known = width === quarterHour ? pages.quarters : pages.days;
    const stretch = stretchOf(width);
    const first = floorTo(stretch, from);
    let missing = Number.NaN;
    let end = Number.NaN;
    for (let start = first; start < to; start += stretch) {
      if (known.has(start)) continue;
      if (Number.isNaN(missing)) missing = start;
      end = start + stretch;
    }
    if (Number.isNaN(missing)) return listed(known, first, to, stretch);
    const { epoch } = this.#tail;
    const rows = this.#storage.rollups(stream, width, storable(missing), end);
    const take = (found: readonly RollupRow[]): readonly LoadedStretch[] => {
      const added = this.#add(stream, known, found, { from: missing, to: end }, stretch);
      if (this.#streams.get(stream) === pages) this.#grow(pages, added);
      return listed(known, first, to, stretch);
    };
    if (!(rows instanceof Promise)) return take(rows);
    // What was asked for before a compaction ended may be older than what is known now.
    return rows.then((found) =>
      epoch === this.#tail.epoch ? take(found) : this.load(stream, width, from, to),
    );
  }

  /** The last number of the quarter hours that end at or before `before`. */
  async lastNumber(stream: StreamId, before: Micros): Promise<number | undefined> {
    for (let end = before; ; ) {
      const row = await this.#storage.rollupBefore(stream, end);
      if (row === undefined) return undefined;
      const page = this.#decode(stream, row.startTime, row.blob);
      if (typeof page !== "string")
        for (let i = lowerBound(page.starts, before - quarterHour + 1) - 1; i >= 0; i--)
          if ((page.numeric[i] as number) > 0) return page.last[i];
      end = row.startTime;
    }
  }

  /** The generation has become chunks. */
  forget(generation: Generation): void {
    for (const { id } of generation.streams) this.#drop(id);
  }

  clear(): void {
    this.#streams.clear();
    this.#bytes = 0;
  }

  #of(stream: StreamId): StreamPages {
    const pages = this.#streams.get(stream) ?? new StreamPages();
    this.#streams.delete(stream);
    this.#streams.set(stream, pages);
    return pages;
  }

  #drop(stream: StreamId): void {
    this.#bytes -= this.#streams.get(stream)?.bytes ?? 0;
    this.#streams.delete(stream);
  }

  #grow(pages: StreamPages, bytes: number): void {
    pages.bytes += bytes;
    this.#bytes += bytes;
    for (const stream of this.#streams.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(stream);
    }
  }

  /** @returns the bytes that this takes */
  #add(
    stream: StreamId,
    target: Map<Micros, Cached>,
    rows: readonly RollupRow[],
    { from, to }: TimeRange,
    stretch: Micros,
  ): number {
    let bytes = 0;
    for (const { startTime, blob } of rows) {
      const start = floorTo(stretch, startTime);
      if (target.has(start)) continue;
      const page = this.#decode(stream, startTime, blob);
      target.set(start, page);
      bytes += entryBytes + (typeof page === "string" ? 0 : page.starts.length * rowBytes);
    }
    for (let start = from; start < to; start += stretch)
      if (!target.has(start)) {
        target.set(start, "none");
        bytes += entryBytes;
      }
    return bytes;
  }

  #decode(stream: StreamId, startTime: Micros, blob: Uint8Array): Cached {
    try {
      return decodeRollups(blob);
    } catch (error) {
      this.#corrupt++;
      const facts = { stream, startTime, error: messageOf(error) };
      this.#log.error(facts, "rollups are damaged; they are made from the points");
      return "corrupt";
    }
  }
}

function listed(
  known: ReadonlyMap<Micros, Cached>,
  first: Micros,
  to: Micros,
  stretch: Micros,
): readonly LoadedStretch[] {
  const pages: LoadedStretch[] = [];
  for (let start = first; start < to; start += stretch) {
    const page = known.get(start);
    if (page === undefined || page === "none") continue;
    pages.push({ from: start, to: start + stretch, page: page === "corrupt" ? undefined : page });
  }
  return pages;
}
