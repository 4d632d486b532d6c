import type { DecodedOperation, LogOperation } from "./codec/log-batch.ts";
import { Generation } from "./generation.ts";
import { IdMap } from "./id-map.ts";
import type { StreamTail } from "./stream-tail.ts";
import type { StreamId } from "./types.ts";

/**
 * Everything of the log that is not in chunks yet. While the older part is being compacted it is frozen and new
 * operations go to another generation; a read lays chunks, frozen and active over each other, the later winning.
 */
export class Tail {
  readonly #dropped = new Set<StreamId>();
  /** How many points the generation before had of a stream: columns of that size need not grow. */
  #lengths = new IdMap();
  #expected: number;
  #active: Generation;
  #frozen: Generation | undefined;
  #epoch = 0;

  /** @param expected points per stream in the log that is going to be replayed */
  constructor(expected = 0) {
    this.#expected = expected;
    this.#active = this.#generation();
  }

  get points(): number {
    return this.#active.points + (this.#frozen?.points ?? 0);
  }

  get bytes(): number {
    return this.#active.bytes + (this.#frozen?.bytes ?? 0);
  }

  get activePoints(): number {
    return this.#active.points;
  }

  /** Whether there are edits to be compacted, which cost readers more than points do. */
  get hasPlaced(): boolean {
    return this.#active.hasPlaced;
  }

  get activeBytes(): number {
    return this.#active.bytes;
  }

  /** Changes when points have moved from here to the chunks: chunks read before do not go with the tail after. */
  get epoch(): number {
    return this.#epoch;
  }

  apply(operations: readonly (LogOperation | DecodedOperation)[]): void {
    for (const operation of operations) this.#active.apply(operation);
  }

  /** What is known of the stream, the older first. */
  layers(stream: StreamId): readonly StreamTail[] {
    const active = this.#active.layers(stream);
    const frozen = this.#frozen?.layers(stream) ?? [];
    if (frozen.length === 0) return active;
    return active.length === 0 ? frozen : [...frozen, ...active];
  }

  get frozen(): Generation | undefined {
    return this.#frozen;
  }

  /** From now on what there is does not change any more, and can be compacted. */
  freeze(): Generation {
    if (this.#frozen) throw new Error("The tail is frozen already.");
    this.#frozen = this.#active;
    this.#expected = 0;
    this.#lengths = new IdMap();
    for (const { id, length } of this.#frozen.streams) this.#lengths.set(id, length + length / 8);
    this.#active = this.#generation();
    return this.#frozen;
  }

  #generation(): Generation {
    const lengths = this.#lengths;
    const expected = this.#expected;
    return new Generation(this.#dropped, (stream) => Math.ceil(lengths.get(stream) || expected));
  }

  /** The frozen part is in the chunks. */
  dropFrozen(): void {
    this.#frozen?.release();
    this.#frozen = undefined;
    this.#epoch++;
  }

  get generations(): readonly Generation[] {
    return this.#frozen ? [this.#frozen, this.#active] : [this.#active];
  }

  /** A generation to be filled from the log while this one is read. */
  stage(): Generation {
    return this.#generation();
  }

  /** Takes the staged generation for all there was. */
  replace(staged: Generation): void {
    for (const generation of this.generations) generation.release();
    this.#active = staged;
    this.#frozen = undefined;
    this.#epoch++;
  }
}
