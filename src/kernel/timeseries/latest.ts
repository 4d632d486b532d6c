import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, Micros } from "../time.ts";
import { microsFromMillis } from "../time.ts";
import type { Generation } from "./generation.ts";
import type { HighWater } from "./high-water.ts";
import { NewestPoints } from "./newest-points.ts";
import { covers } from "./ranges.ts";
import type { Reader } from "./reader.ts";
import type { Tail } from "./tail.ts";
import { latestHorizon, type Point, type StreamId } from "./types.ts";

/** Look-ups in chunks before others get their turn: about 20 us each on SQLite, side by side on PostgreSQL. */
const lookupsAtOnce = 64;

/**
 * The newest point not later than now + 5 minutes. Where the newest of all is in the tail it is at hand; the chunks'
 * newest is looked up once and kept until the stream is compacted again.
 */
export class Latest {
  readonly #tail: Tail;
  readonly #reader: Reader;
  readonly #highWater: HighWater;
  readonly #clock: Clock;
  /** The chunks' newest: columns, since there may be a million of them. */
  #inChunks = new NewestPoints();

  constructor(tail: Tail, reader: Reader, highWater: HighWater, clock: Clock) {
    this.#tail = tail;
    this.#reader = reader;
    this.#highWater = highWater;
    this.#clock = clock;
  }

  get horizon(): Micros {
    return microsFromMillis(this.#clock.now()) + latestHorizon;
  }

  async of(streams: readonly StreamId[]): Promise<readonly (Point | undefined)[]> {
    const { horizon } = this;
    const missing: number[] = [];
    const found = streams.map((stream, i) => {
      const known = this.#atHand(stream, horizon);
      if (known === null) missing.push(i);
      return known ?? undefined;
    });
    for (let at = 0; at < missing.length; at += lookupsAtOnce) {
      if (at > 0) await nextTurn();
      const lookups = missing.slice(at, at + lookupsAtOnce).map(async (i) => {
        found[i] = await this.#lookUp(streams[i] ?? 0, horizon);
      });
      await Promise.all(lookups);
    }
    return found;
  }

  /** The generation has become chunks. */
  forget(generation: Generation): void {
    for (const { id } of generation.streams) this.#inChunks.forget(id);
  }

  clear(): void {
    this.#inChunks = new NewestPoints();
  }

  /** The answer where it needs no look-up; null where it does. */
  #atHand(stream: StreamId, horizon: Micros): Point | undefined | null {
    const time = this.#highWater.of(stream);
    if (time === Number.NEGATIVE_INFINITY) return undefined;
    if (time > horizon) return null;
    const layers = this.#tail.layers(stream);
    for (let i = layers.length - 1; i >= 0; i--) {
      const layer = layers[i];
      if (layer?.maxTime === time) {
        const value = layer.newest();
        return value === undefined ? null : { time, value };
      }
      if (layer && covers(layer.deleted, time)) return null;
    }
    const kept = this.#inChunks.get(stream);
    if (kept === undefined || (layers.length > 0 && kept?.time !== time)) return null;
    return kept ?? undefined;
  }

  async #lookUp(stream: StreamId, horizon: Micros): Promise<Point | undefined> {
    // With a point of the future in the chunks the answer changes with the clock, and is not kept.
    if (this.#highWater.of(stream) <= horizon) {
      const { epoch } = this.#tail;
      const newest = await this.#reader.newestInChunks(stream, horizon + 1);
      if (this.#tail.epoch === epoch) this.#inChunks.set(stream, newest);
      const known = this.#atHand(stream, horizon);
      if (known !== null) return known;
    }
    return this.#reader.newestBefore(stream, horizon + 1);
  }
}
