import type { DecodedOperation, LogOperation, PlaceChunksOperation } from "./codec/log-batch.ts";
import { StreamTail, tailOverhead } from "./stream-tail.ts";
import { allTime, type PointBatch, type StreamId } from "./types.ts";

/** Below this, ids are looked up in an array; ids are given out from 1 on, so that it stays small. */
const denseIds = 1 << 24;
/** What a JSON text takes beside its characters. */
const textOverhead = 64;
const deletionSize = 64;

/** A part of the tail: what happened between two points of the log, by stream. */
export class Generation {
  readonly #tails: StreamTail[] = [];
  /** 1 + the index in `#tails`, by stream id. */
  #slots = new Uint32Array(1024);
  readonly #sparse = new Map<StreamId, number>();
  readonly #dropped: Set<StreamId>;
  readonly #expected: (stream: StreamId) => number;
  #points = 0;
  #bytes = 0;
  #hasPlaced = false;

  /**
   * @param dropped streams that are gone; shared with the generations before and after
   * @param expected how many points of a stream will probably come
   */
  constructor(dropped: Set<StreamId>, expected: (stream: StreamId) => number) {
    this.#dropped = dropped;
    this.#expected = expected;
  }

  get points(): number {
    return this.#points;
  }

  /** An estimate of the memory taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of streams with edits several, the older first. */
  get streams(): readonly StreamTail[] {
    return this.#tails;
  }

  /** Whether edits have put chunks of their own over those of streams. */
  get hasPlaced(): boolean {
    return this.#hasPlaced;
  }

  /** What is known of the stream, the older first. */
  layers(stream: StreamId): readonly StreamTail[] {
    const newest = this.get(stream);
    if (newest === undefined) return [];
    if (newest.older === undefined) return [newest];
    const layers: StreamTail[] = [];
    for (let layer: StreamTail | undefined = newest; layer; layer = layer.older) layers.push(layer);
    return layers.reverse();
  }

  get(stream: StreamId): StreamTail | undefined {
    const slot = stream < this.#slots.length ? this.#slots[stream] : this.#sparse.get(stream);
    return slot ? this.#tails[slot - 1] : undefined;
  }

  /** Frees the memory of the points; which streams there are is still known. */
  release(): void {
    for (const tail of this.#tails) tail.release();
  }

  apply(operation: LogOperation | DecodedOperation): void {
    if (operation.kind === "points") {
      this.#applyPoints(operation);
      return;
    }
    this.#bytes += deletionSize;
    if (operation.kind === "placeChunks") this.#place(operation);
    else if (operation.kind === "deleteRange") this.#tail(operation.stream).delete(operation.range);
    else {
      this.#dropped.add(operation.stream);
      this.#tail(operation.stream).close(allTime);
    }
  }

  #place({ kind: _, ...placed }: PlaceChunksOperation): void {
    const older = this.#tail(placed.stream);
    if (older.closed) return;
    this.#hasPlaced = true;
    older.cover();
    this.#add(new StreamTail(placed.stream, false, 0, { placed, older }));
  }

  #applyPoints(batch: PointBatch): void {
    this.#points += batch.count;
    this.#bytes += 16 * batch.count;
    if (batch.texts !== undefined && batch.texts.size > 0) {
      this.#applyTexts(batch, batch.texts);
      return;
    }
    const { count, streams, times, values } = batch;
    for (let i = 0; i < count; i++) {
      const tail = this.#tail(streams[i] as number);
      if (!tail.closed) tail.push(times[i] as number, values[i] as number);
    }
  }

  #applyTexts(batch: PointBatch, texts: ReadonlyMap<number, string>): void {
    for (let i = 0; i < batch.count; i++) {
      const tail = this.#tail(batch.streams[i] as number);
      if (tail.closed) continue;
      const text = texts.get(i);
      if (text === undefined) tail.push(batch.times[i] as number, batch.values[i] as number);
      else {
        tail.pushText(batch.times[i] as number, text);
        this.#bytes += 2 * text.length + textOverhead;
      }
    }
  }

  #tail(stream: StreamId): StreamTail {
    return this.get(stream) ?? this.#create(stream);
  }

  #create(stream: StreamId): StreamTail {
    return this.#add(new StreamTail(stream, this.#dropped.has(stream), this.#expected(stream), undefined));
  }

  #add(tail: StreamTail): StreamTail {
    const stream = tail.id;
    this.#bytes += tailOverhead;
    const slot = this.#tails.push(tail);
    if (stream >= denseIds) this.#sparse.set(stream, slot);
    else {
      if (stream >= this.#slots.length) {
        const slots = new Uint32Array(Math.max(stream + 1, this.#slots.length * 2));
        slots.set(this.#slots);
        this.#slots = slots;
      }
      this.#slots[stream] = slot;
    }
    return tail;
  }
}
