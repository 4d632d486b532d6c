import type { Clock } from "../src/kernel/time.ts";

/** Stands still, from the moment it was made; only the test lets time pass. */
export class TestClock implements Clock {
  #now = Date.now();

  now(): number {
    return this.#now;
  }

  /** Negative: the clock is set back. */
  pass(seconds: number): void {
    this.#now += Math.round(seconds * 1000);
  }
}
