import type { Micros } from "../time.ts";

/** A small integer, never reused. */
export type StreamId = number;

/**
 * A value is a finite float64, or any other JSON value as its JSON text (`"\"on\""`, `"true"`, `"null"`, `"[1,2]"`).
 * A JSON number is always the former, so that the text `"21.5"` (with its quotes) and the number 21.5 stay apart.
 */
export type PointValue = number | string;

export interface Point {
  readonly time: Micros;
  readonly value: PointValue;
}

/** Points of one stream, ascending by time, each time once. */
export interface PointPage {
  readonly times: Float64Array;
  /** NaN where `texts` holds the value. */
  readonly values: Float64Array;
  /** JSON text by index; absent when every value is a number. */
  readonly texts?: ReadonlyMap<number, string>;
}

/**
 * Points of several streams in order of arrival: where a (stream, time) occurs twice the later entry wins.
 * The arrays are read when `append` is called and not kept.
 */
export interface PointBatch {
  readonly count: number;
  readonly streams: ArrayLike<StreamId>;
  readonly times: ArrayLike<Micros>;
  /** NaN where `texts` holds the value. */
  readonly values: ArrayLike<number>;
  readonly texts?: ReadonlyMap<number, string>;
}

/** Half-open [from, to) in microseconds. */
export interface TimeRange {
  readonly from: Micros;
  readonly to: Micros;
}

export const allTime: TimeRange = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

/** What a stream is for; the catalogue row. `owner` is the feature, `key` is unique within it (`12/value`). */
export interface StreamDefinition {
  readonly owner: string;
  readonly key: string;
  /** `history` keeps all points, `last` only the newest. */
  readonly mode: "history" | "last";
  readonly unit: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Stream extends StreamDefinition {
  readonly id: StreamId;
  /** The operator's own words for it. */
  readonly tags: readonly string[];
  /** How long raw points are kept, in microseconds; null: as the owner's or the default says. */
  readonly retention: Micros | null;
  readonly bucket: number;
}

/** How far ahead of the clock a point may be and still count as 'latest'. */
export const latestHorizon: Micros = 5 * 60 * 1_000_000;
