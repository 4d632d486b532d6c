/** Noise without a state: the same seed, channel and time give the same number in whatever order they are asked for. */
export class Noise {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Smooth, from -1 to 1, with a new direction about once in `period` milliseconds. */
  smooth(channel: number, time: number, period: number): number {
    const place = time / period;
    const index = Math.floor(place);
    const part = place - index;
    const from = this.#at(channel, index);
    const weight = part * part * (3 - 2 * part);
    return from + (this.#at(channel, index + 1) - from) * weight;
  }

  /** A step function: one number from 0 to 1 for each whole `period`. */
  step(channel: number, time: number, period: number): number {
    return (this.#at(channel, Math.floor(time / period)) + 1) / 2;
  }

  #at(channel: number, index: number): number {
    let mixed = Math.imul(index | 0, 0x9e3779b1) ^ Math.imul(channel + 1, 0x85ebca6b) ^ this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
}

export const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));
