import type { Clock } from "../src/kernel/time.ts";

/** Runs with the machine's clock, ahead of it by what a test has let pass. */
export class TestClock implements Clock {
  #ahead = 0;

  now(): number {
    return Date.now() + this.#ahead;
  }

  /** Negative: the clock is set back. */
  pass(seconds: number): void {
    this.#ahead += seconds * 1000;
  }
}
