import { setImmediate as nextTurn } from "node:timers/promises";

/** How long a read may keep the event loop before it lets others in. */
const sliceMillis = 4;

/** How long one read, whatever its parts, has kept the event loop. */
export class Turn {
  #began = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#began > sliceMillis;
  }

  /** Lets others in. */
  async next(): Promise<void> {
    await nextTurn();
    this.begin();
  }

  begin(): void {
    this.#began = performance.now();
  }
}
