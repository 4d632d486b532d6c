import type { StreamId } from "./types.ts";

/** Below this, ids are looked up in an array: they are given out from 1 on, so that it stays small. */
const denseIds = 1 << 24;

/** One number per stream in 8 bytes; NaN where nothing was set. */
export class IdMap {
  #dense = new Float64Array(1024).fill(Number.NaN);
  readonly #sparse = new Map<StreamId, number>();

  get(stream: StreamId): number {
    return this.#dense[stream] ?? this.#sparse.get(stream) ?? Number.NaN;
  }

  set(stream: StreamId, value: number): void {
    if (stream >= denseIds) {
      this.#sparse.set(stream, value);
      return;
    }
    if (stream >= this.#dense.length) {
      const grown = new Float64Array(Math.max(stream + 1, this.#dense.length * 2)).fill(Number.NaN);
      grown.set(this.#dense);
      this.#dense = grown;
    }
    this.#dense[stream] = value;
  }
}
