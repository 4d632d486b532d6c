/** What a handler's promise has become; many acknowledgements share one. */
interface Wait {
  settled: boolean;
}

/** Consecutive acknowledgements that wait for the same. */
interface Group<T> {
  readonly wait: Wait;
  readonly items: T[];
}

/**
 * Acknowledgements of one sender, held until the promise of each has resolved and given out in the order of arrival
 * ([MQTT-4.6.0-2]). Costs one `then` per distinct promise, however many messages share it.
 */
export class OrderedAcks<T> {
  readonly #release: (items: readonly T[]) => void;
  readonly #fail: (error: unknown) => void;
  readonly #waits = new Map<Promise<void>, Wait>();
  #groups: Group<T>[] = [];
  #held = 0;
  #whenEmpty: (() => void)[] = [];

  /** `fail` runs for each promise that rejects; it is up to the caller to `clear`. */
  constructor(release: (items: readonly T[]) => void, fail: (error: unknown) => void) {
    this.#release = release;
    this.#fail = fail;
  }

  get held(): number {
    return this.#held;
  }

  /** `promise` undefined: nothing to wait for but those before it. */
  add(item: T, promise: Promise<void> | undefined): void {
    const last = this.#groups.at(-1);
    if (promise === undefined && last === undefined) {
      this.#release([item]);
      return;
    }
    this.#held += 1;
    if (last && promise === undefined) {
      last.items.push(item);
      return;
    }
    const wait = promise === undefined ? { settled: true } : this.#waitFor(promise);
    if (last?.wait === wait) last.items.push(item);
    else this.#groups.push({ wait, items: [item] });
  }

  /** Forgets all; promises still open are watched no more. */
  clear(): void {
    this.#waits.clear();
    this.#groups = [];
    this.#held = 0;
    this.#tellEmpty();
  }

  /** Resolves when nothing is held any more, be it given out or cleared. */
  async empty(): Promise<void> {
    if (this.#held > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  #waitFor(promise: Promise<void>): Wait {
    const known = this.#waits.get(promise);
    if (known) return known;
    const wait: Wait = { settled: false };
    this.#waits.set(promise, wait);
    promise.then(
      () => {
        if (this.#waits.get(promise) !== wait) return;
        this.#waits.delete(promise);
        wait.settled = true;
        this.#giveOut();
      },
      (error: unknown) => {
        if (this.#waits.get(promise) !== wait) return;
        this.#waits.delete(promise);
        this.#fail(error);
      },
    );
    return wait;
  }

  #giveOut(): void {
    let ready = 0;
    while (this.#groups[ready]?.wait.settled) ready += 1;
    if (ready === 0) return;
    const groups = this.#groups.splice(0, ready);
    const items = groups.length === 1 ? (groups[0]?.items ?? []) : groups.flatMap((group) => group.items);
    this.#held -= items.length;
    this.#release(items);
    if (this.#held === 0) this.#tellEmpty();
  }

  #tellEmpty(): void {
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}
