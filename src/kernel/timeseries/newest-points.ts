import { IdMap } from "./id-map.ts";
import type { Point, StreamId } from "./types.ts";

/** A point per stream, or that there is none: 16 bytes a stream, and what its text takes. */
export class NewestPoints {
  /** -Infinity where there is no point. */
  readonly #times = new IdMap();
  readonly #values = new IdMap();
  readonly #texts = new Map<StreamId, string>();

  /** null: there is none; undefined: it is not known. */
  get(stream: StreamId): Point | null | undefined {
    const time = this.#times.get(stream);
    if (Number.isNaN(time)) return undefined;
    if (time === Number.NEGATIVE_INFINITY) return null;
    return { time, value: this.#texts.get(stream) ?? this.#values.get(stream) };
  }

  set(stream: StreamId, point: Point | undefined): void {
    this.forget(stream);
    this.#times.set(stream, point?.time ?? Number.NEGATIVE_INFINITY);
    if (typeof point?.value === "number") this.#values.set(stream, point.value);
    else if (point) this.#texts.set(stream, point.value);
  }

  forget(stream: StreamId): void {
    if (Number.isNaN(this.#times.get(stream))) return;
    this.#times.set(stream, Number.NaN);
    this.#texts.delete(stream);
  }
}
