import type { Queryable, Tx } from "../database/engine.ts";
import type { Micros } from "../time.ts";
import type { Stream, StreamId } from "./types.ts";

/** How long the raw points of an owner's streams are kept, microseconds; the owner '' stands for all others. */
export interface RetentionRule {
  readonly owner: string;
  readonly keep: Micros;
}

/** What would be deleted. */
export interface RetentionPreview {
  /** Points before it would go; null when none would. */
  readonly horizon: Micros | null;
  readonly points: number;
  /** Of the chunks that would go as a whole. */
  readonly bytes: number;
  readonly first: Micros | null;
  readonly last: Micros | null;
}

/** What feature and server may ask of it. */
export interface StreamRetention {
  /** Deletes what has expired, on all streams. @returns how many streams lost points or might have */
  run(): Promise<number>;
  /** Where the raw points of the stream begin: what is older has expired. -Infinity for one that has all. */
  horizon(stream: StreamId): Micros;
  /** @param keep null: for ever */
  preview(stream: Stream, keep: Micros | null): Promise<RetentionPreview>;
  /** By owner. */
  rules(db: Queryable): Promise<readonly RetentionRule[]>;
  /** Replaces all rules. */
  replaceRules(tx: Tx, rules: readonly RetentionRule[]): Promise<void>;
}
