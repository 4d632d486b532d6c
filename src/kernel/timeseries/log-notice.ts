import type { PointBatch, StreamId, TimeRange } from "./types.ts";

/** What has come into the log, on this node or another; see `TimeSeries.follow`. */
export type LogNotice =
  /** Points, new or in place of others; columns of `count` entries, which are only to be read during the call. */
  | (PointBatch & { readonly kind: "points" })
  /** Points are gone: deleted, or edited; then the `points` that take their place follow at once. */
  | { readonly kind: "deleteRange"; readonly stream: StreamId; readonly range: TimeRange }
  /** The stream is gone. */
  | { readonly kind: "dropStream"; readonly stream: StreamId }
  /**
   * Something came into streams of the bucket (`Stream.bucket`) that could not be told of: it was compacted before
   * this node got to see it, is damaged, or is an edit of very many points. Read again what is shown of them.
   */
  | { readonly kind: "missed"; readonly bucket: number };

/** Row of the log: within a bucket numbers follow one another in the order of commits, the same on every node. */
export interface LogPlace {
  readonly bucket: number;
  readonly seq: number;
}

/** `place`: of the row that holds it; of the last one that was missed. */
export type LogListener = (notice: LogNotice, place: LogPlace) => void;

/** All that one row of the log did, in order. */
export interface LogNews {
  readonly place: LogPlace;
  readonly notices: readonly LogNotice[];
}
