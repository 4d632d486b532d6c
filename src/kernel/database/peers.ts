/** The other nodes on this database, by what was heard of them. */
export class Peers {
  readonly #heard = new Map<string, number>();
  readonly #millis: number;

  /** @param millis one that was silent for so long is gone */
  constructor(millis: number) {
    this.#millis = millis;
  }

  get any(): boolean {
    for (const [node, at] of this.#heard) {
      if (performance.now() - at < this.#millis) return true;
      this.#heard.delete(node);
    }
    return false;
  }

  /** @returns whether it was not known before */
  heard(node: string): boolean {
    const at = this.#heard.get(node);
    // Back to the end: the first is the one that was silent longest.
    this.#heard.delete(node);
    this.#heard.set(node, performance.now());
    return at === undefined || performance.now() - at >= this.#millis;
  }

  forget(node: string): void {
    this.#heard.delete(node);
  }
}
