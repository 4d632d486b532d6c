import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Micros } from "../time.ts";
import { decodeChunk } from "./codec/chunk.ts";
import { boundedEnd, overlay } from "./overlay.ts";
import { emptyPage, mergePages, sliceTimes, valueAt } from "./pages.ts";
import type { ChunkRow, Sometimes, Storage } from "./storage.ts";
import type { Tail } from "./tail.ts";
import { Turn } from "./turn.ts";
import type { Point, PointPage, StreamId, TimeRange } from "./types.ts";

/** Chunks are about 1,024 points: a page is some 4,000. */
const chunksPerPage = 4;
/** Of those that are not joined to pages. */
const chunksPerLook = 16;
const tailPointsPerPage = 4096;

interface Window {
  readonly page: PointPage;
  /** Where the next one begins. */
  readonly next: Micros;
}

/** Chunks and tail as one. */
export class Reader {
  readonly #storage: Storage;
  readonly #tail: Tail;
  readonly #log: Log;
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

  /**
   * As `read`, but in pieces as they lie in the chunks where the tail has nothing to say: views of what was decoded,
   * without their texts.
   */
  async *pieces(stream: StreamId, range: TimeRange, turn: Turn): AsyncGenerator<PointPage> {
    if (this.#tail.layers(stream).length > 0) {
      yield* this.read(stream, range, turn);
      return;
    }
    for (let { from } = range; from < range.to; ) {
      const { epoch } = this.#tail;
      const found = this.#storage.chunks(stream, from, range.to, chunksPerLook);
      const rows = found instanceof Promise ? await found : found;
      if (epoch !== this.#tail.epoch) continue;
      for (const row of rows) {
        if (row.endTime < from) continue;
        const { times, values } = this.#decode(stream, row);
        yield sliceTimes({ times, values }, from, range.to);
      }
      const last = rows.at(-1);
      from = last && rows.length === chunksPerLook ? Math.max(from + 1, last.endTime + 1) : range.to;
      if (turn.isOver) await turn.next();
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
      if (epoch !== this.#tail.epoch) continue;
      const from = chunk?.startTime ?? Number.MIN_SAFE_INTEGER;
      const page = this.#over(stream, chunk ? [chunk] : [], from, to);
      const last = page.times.length - 1;
      if (last >= 0) return { time: page.times[last] as number, value: valueAt(page, last) };
      if (!chunk) return undefined;
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
      if (epoch !== this.#tail.epoch) continue;
      const from = Math.max(notBefore, chunk?.startTime ?? notBefore);
      const { values } = this.#over(stream, chunk ? [chunk] : [], from, to);
      const number = values.findLast((value) => !Number.isNaN(value));
      if (number !== undefined || !chunk) return number;
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
    const { epoch } = this.#tail;
    const rows = this.#storage.chunks(stream, from, to, chunksPerPage);
    return rows instanceof Promise
      ? rows.then((found) =>
          // Points moved from the tail into chunks that were not read: once more.
          epoch === this.#tail.epoch
            ? this.#compose(stream, found, from, to)
            : this.#window(stream, from, to),
        )
      : this.#compose(stream, rows, from, to);
  }

  #compose(stream: StreamId, rows: readonly ChunkRow[], from: Micros, to: Micros): Window {
    const last = rows.at(-1);
    const end = last && rows.length === chunksPerPage ? Math.min(to, last.endTime + 1) : to;
    const next = boundedEnd(this.#tail.layers(stream), from, Math.max(end, from + 1), tailPointsPerPage);
    return { page: this.#over(stream, rows, from, next), next };
  }

  #over(stream: StreamId, rows: readonly ChunkRow[], from: Micros, to: Micros): PointPage {
    let chunks = emptyPage;
    for (const row of rows)
      if (row.startTime < to && row.endTime >= from)
        chunks = mergePages(chunks, sliceTimes(this.#decode(stream, row), from, to));
    return overlay(chunks, this.#tail.layers(stream), from, to);
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
