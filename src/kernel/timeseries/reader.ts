import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Micros } from "../time.ts";
import { decodeChunk, readRun } from "./codec/chunk.ts";
import { ScaledRun } from "./codec/scaled-run.ts";
import { boundedEnd, overlay } from "./overlay.ts";
import { emptyPage, mergePages, sliceTimes, valueAt } from "./pages.ts";
import type { ChunkRow, Sometimes, Storage } from "./storage.ts";
import type { PlacedChunks, StreamTail } from "./stream-tail.ts";
import type { Tail } from "./tail.ts";
import { partsOf } from "./tail-cells.ts";
import { Turn } from "./turn.ts";
import type { Point, PointPage, StreamId, TimeRange } from "./types.ts";

/** Chunks are about 1,024 points: a page is some 4,000. */
const chunksPerPage = 4;
/** Chunks that are looked up at a time where they are not joined to pages: more while they are small. */
const leastLook = 16;
const mostLook = 256;
const bytesPerLook = 1 << 18;

/** How many to look up after these. */
const nextLook = (rows: readonly ChunkRow[], limit: number): number => {
  const bytes = rows.reduce((sum, { blob }) => sum + blob.length, 0);
  const fitting = Math.floor((bytesPerLook * rows.length) / Math.max(1, bytes));
  return Math.max(leastLook, Math.min(4 * limit, fitting, mostLook));
};
const tailPointsPerPage = 4096;

/** Takes ascending points as they come. */
export interface PointSink {
  readonly takesRuns: boolean;
  /** The points [from, to) of the run, which is filled anew afterwards. */
  addRun(run: ScaledRun, from: number, to: number): void;
  /** NaN stands for a text. */
  addPoints(times: Float64Array, values: Float64Array): void;
}

interface Window {
  readonly page: PointPage;
  /** Where the next one begins. */
  readonly next: Micros;
}

/** The chunks that edits have put below layers of the tail. */
type PlacedRows = ReadonlyMap<StreamTail, readonly ChunkRow[]>;
const nothingPlaced: PlacedRows = new Map();

function lastStart(chunk: ChunkRow | undefined, placed: PlacedRows): Micros | undefined {
  let last = chunk?.startTime;
  for (const [row] of placed.values())
    if (row && (last === undefined || row.startTime > last)) last = row.startTime;
  return last;
}

/** Chunks and tail as one. */
export class Reader {
  readonly #storage: Storage;
  readonly #tail: Tail;
  readonly #log: Log;
  readonly #run = new ScaledRun();
  #corrupt = 0;

  constructor(storage: Storage, tail: Tail, log: Log) {
    this.#storage = storage;
    this.#tail = tail;
    this.#log = log;
  }

  /** How often a chunk could not be decoded. */
  get corrupt(): number {
    return this.#corrupt;
  }

  async *read(stream: StreamId, range: TimeRange, turn = new Turn()): AsyncGenerator<PointPage> {
    for (let from = range.from; from < range.to; ) {
      const window = this.#window(stream, from, range.to);
      const { page, next } = window instanceof Promise ? await window : window;
      if (page.times.length > 0) yield page;
      from = next;
      if (turn.isOver) await turn.next();
    }
  }

  /** Hands all points of the range to the sink, ascending, as they lie in the chunks where the tail has nothing to say. */
  async scan(stream: StreamId, range: TimeRange, turn: Turn, sink: PointSink): Promise<void> {
    for (const { from, to, source } of partsOf(this.#tail.layers(stream), range)) {
      if (source === "chunks") await this.#scanChunks(stream, { from, to }, turn, sink);
      else
        for await (const { times, values } of this.read(stream, { from, to }, turn))
          sink.addPoints(times, values);
    }
  }

  /**
   * Asks for chunks before those that it has are worked on. They need not go with the tail of any one moment, since
   * nothing of it is laid over them: whatever it had here when the scan began, partsOf has left to others.
   */
  async #scanChunks(stream: StreamId, range: TimeRange, turn: Turn, sink: PointSink): Promise<void> {
    const { to } = range;
    let limit = leastLook;
    let ahead: Sometimes<readonly ChunkRow[]> | undefined = this.#storage.chunks(
      stream,
      range.from,
      to,
      limit,
    );
    for (let { from } = range; ahead !== undefined; ) {
      const rows: readonly ChunkRow[] = ahead instanceof Promise ? await ahead : ahead;
      const last = rows.at(-1);
      const next = last && rows.length === limit ? Math.max(from + 1, last.endTime + 1) : to;
      limit = nextLook(rows, limit);
      ahead = next < to ? this.#storage.chunks(stream, next, to, limit) : undefined;
      // Its fault is thrown when its turn comes; until then nobody waits for it.
      if (ahead instanceof Promise) ahead.catch(() => undefined);
      for (const row of rows) {
        if (row.endTime >= from) this.#hand(stream, row, { from, to }, sink);
        if (turn.isOver) await turn.next();
      }
      from = next;
    }
  }

  #hand(stream: StreamId, row: ChunkRow, { from, to }: TimeRange, sink: PointSink): void {
    if (sink.takesRuns && this.#readRun(row)) {
      const run = this.#run;
      sink.addRun(run, run.lowerBound(from), run.lowerBound(to));
      return;
    }
    const { times, values } = this.#decode(stream, row);
    const page = sliceTimes({ times, values }, from, to);
    sink.addPoints(page.times, page.values);
  }

  #readRun({ blob }: ChunkRow): boolean {
    try {
      return readRun(blob, this.#run);
    } catch {
      // Decoding it fails as well, and says so.
      return false;
    }
  }

  async find(stream: StreamId, time: Micros): Promise<Point | undefined> {
    const { page } = await this.#window(stream, time, time + 1);
    return page.times.length > 0 ? { time, value: valueAt(page, 0) } : undefined;
  }

  /** The newest point before `before`. */
  async newestBefore(stream: StreamId, before: Micros): Promise<Point | undefined> {
    for (let to = before; ; ) {
      const epoch = this.#tail.epoch;
      const chunk = await this.#storage.chunkBefore(stream, to);
      const placed = await this.#placedBefore(stream, to);
      if (!this.#holds(stream, epoch, placed)) continue;
      const from = lastStart(chunk, placed) ?? Number.MIN_SAFE_INTEGER;
      const page = this.#over(stream, chunk ? [chunk] : [], placed, from, to);
      const last = page.times.length - 1;
      if (last >= 0) return { time: page.times[last] as number, value: valueAt(page, last) };
      if (from === Number.MIN_SAFE_INTEGER) return undefined;
      to = from;
    }
  }

  /** The last number in [notBefore, before). */
  async lastNumberBefore(
    stream: StreamId,
    before: Micros,
    notBefore: Micros = Number.MIN_SAFE_INTEGER,
  ): Promise<number | undefined> {
    for (let to = before; to > notBefore; ) {
      const epoch = this.#tail.epoch;
      const chunk = await this.#storage.numericChunkBefore(stream, to);
      const placed = await this.#placedBefore(stream, to);
      if (!this.#holds(stream, epoch, placed)) continue;
      const start = lastStart(chunk, placed);
      const from = Math.max(notBefore, start ?? notBefore);
      const { values } = this.#over(stream, chunk ? [chunk] : [], placed, from, to);
      const number = values.findLast((value) => !Number.isNaN(value));
      if (number !== undefined || start === undefined) return number;
      to = from;
    }
    return undefined;
  }

  /** The newest point before `before` that the chunks have, whatever the tail says. */
  async newestInChunks(stream: StreamId, before: Micros): Promise<Point | undefined> {
    for (let to = before; ; ) {
      const chunk = await this.#storage.chunkBefore(stream, to);
      if (!chunk) return undefined;
      const page = sliceTimes(this.#decode(stream, chunk), chunk.startTime, to);
      const last = page.times.length - 1;
      if (last >= 0) return { time: page.times[last] as number, value: valueAt(page, last) };
      to = chunk.startTime;
    }
  }

  #window(stream: StreamId, from: Micros, to: Micros): Sometimes<Window> {
    if (this.#hasPlaced(stream)) return this.#placedWindow(stream, from, to);
    const { epoch } = this.#tail;
    const rows = this.#storage.chunks(stream, from, to, chunksPerPage);
    return rows instanceof Promise
      ? rows.then((found) =>
          // Points moved from the tail into chunks that were not read: once more.
          this.#holds(stream, epoch, nothingPlaced)
            ? this.#compose(stream, found, nothingPlaced, from, to)
            : this.#window(stream, from, to),
        )
      : this.#compose(stream, rows, nothingPlaced, from, to);
  }

  async #placedWindow(stream: StreamId, from: Micros, to: Micros): Promise<Window> {
    for (;;) {
      const { epoch } = this.#tail;
      const rows = await this.#storage.chunks(stream, from, to, chunksPerPage);
      const placed = await this.#placedRows(stream, (chunks) =>
        this.#storage.placedChunks(chunks, from, to, chunksPerPage),
      );
      if (this.#holds(stream, epoch, placed)) return this.#compose(stream, rows, placed, from, to);
    }
  }

  #hasPlaced(stream: StreamId): boolean {
    return this.#tail.layers(stream).some((layer) => layer.placed !== undefined);
  }

  #placedBefore(stream: StreamId, before: Micros): Sometimes<PlacedRows> {
    if (!this.#hasPlaced(stream)) return nothingPlaced;
    return this.#placedRows(stream, async (chunks) => {
      const row = await this.#storage.placedChunkBefore(chunks, before);
      return row ? [row] : [];
    });
  }

  async #placedRows(
    stream: StreamId,
    find: (placed: PlacedChunks) => Sometimes<readonly ChunkRow[]>,
  ): Promise<PlacedRows> {
    const rows = new Map<StreamTail, readonly ChunkRow[]>();
    for (const layer of this.#tail.layers(stream))
      if (layer.placed) rows.set(layer, await find(layer.placed));
    return rows;
  }

  /** Whether what was read goes with the tail as it is now. */
  #holds(stream: StreamId, epoch: number, placed: PlacedRows): boolean {
    if (epoch !== this.#tail.epoch) return false;
    return this.#tail.layers(stream).every((layer) => layer.placed === undefined || placed.has(layer));
  }

  #compose(
    stream: StreamId,
    rows: readonly ChunkRow[],
    placed: PlacedRows,
    from: Micros,
    to: Micros,
  ): Window {
    let end = to;
    for (const list of placed.size > 0 ? [rows, ...placed.values()] : [rows]) {
      const last = list.at(-1);
      if (last && list.length === chunksPerPage) end = Math.min(end, last.endTime + 1);
    }
    const next = boundedEnd(this.#tail.layers(stream), from, Math.max(end, from + 1), tailPointsPerPage);
    return { page: this.#over(stream, rows, placed, from, next), next };
  }

  #over(
    stream: StreamId,
    rows: readonly ChunkRow[],
    placed: PlacedRows,
    from: Micros,
    to: Micros,
  ): PointPage {
    const chunks = this.#join(stream, rows, from, to);
    return overlay(chunks, this.#tail.layers(stream), from, to, (layer) =>
      this.#join(stream, placed.get(layer) ?? [], from, to),
    );
  }

  #join(stream: StreamId, rows: readonly ChunkRow[], from: Micros, to: Micros): PointPage {
    let page = emptyPage;
    for (const row of rows)
      if (row.startTime < to && row.endTime >= from)
        page = mergePages(page, sliceTimes(this.#decode(stream, row), from, to));
    return page;
  }

  #decode(stream: StreamId, row: ChunkRow): PointPage {
    try {
      return decodeChunk(row.blob);
    } catch (error) {
      this.#corrupt++;
      this.#log.error(
        { stream, startTime: row.startTime, endTime: row.endTime, error: messageOf(error) },
        "a chunk is damaged; its points are left out",
      );
      return emptyPage;
    }
  }
}
