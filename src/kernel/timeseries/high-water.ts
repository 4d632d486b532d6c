import type { Micros } from "../time.ts";
import type { Generation } from "./generation.ts";
import { IdMap } from "./id-map.ts";
import type { Tail } from "./tail.ts";
import type { StreamId } from "./types.ts";

/** The greatest time that ever came into each stream, whatever was deleted since. */
export class HighWater {
  #known = new IdMap();
  readonly #tail: Tail;
  readonly #mark: (stream: StreamId) => Micros;

  /** @param mark what the database knows; asked once per stream */
  constructor(tail: Tail, mark: (stream: StreamId) => Micros) {
    this.#tail = tail;
    this.#mark = mark;
  }

  of(stream: StreamId): Micros {
    let high = this.#ofChunks(stream);
    for (const layer of this.#tail.layers(stream)) high = Math.max(high, layer.maxTime);
    return high;
  }

  #ofChunks(stream: StreamId): Micros {
    const known = this.#known.get(stream);
    if (!Number.isNaN(known)) return known;
    const mark = this.#mark(stream);
    this.#known.set(stream, mark);
    return mark;
  }

  /** What the database knows is asked for again. */
  clear(): void {
    this.#known = new IdMap();
  }

  /** The generation has become chunks. */
  fold(generation: Generation): void {
    for (const tail of generation.streams)
      this.#known.set(tail.id, Math.max(this.#ofChunks(tail.id), tail.maxTime));
  }
}
