import type { ChangeLog } from "../changes/changes.ts";
import { messageOf } from "../errors.ts";
import type { LogNotice, LogPlace } from "../timeseries/log-notice.ts";
import type { TimeSeries } from "../timeseries/store.ts";
import { Hub, type HubParts } from "./hub.ts";

export interface OpenLive extends Omit<HubParts, "streams"> {
  readonly timeseries: TimeSeries;
  readonly changes: ChangeLog;
}

/**
 * Live push of what comes into the store. What is in the log still, from before the start, is read in the background, so
 * that clients that come back after a restart miss nothing. Dispose it before store and changes.
 */
export function openLive({ timeseries, changes, ...parts }: OpenLive): Hub {
  const hub = new Hub({ ...parts, streams: timeseries.streams });
  const stack = new AsyncDisposableStack();
  const recent = new Recent(timeseries, hub.take);
  stack.defer(timeseries.follow(recent.take));
  stack.defer(changes.subscribe((change) => hub.follow(change)));
  hub.openWith(
    recent.read().catch((error: unknown) => {
      // Who comes back is told to read again, as after a long absence.
      parts.log.warn(
        { error: messageOf(error) },
        "the newest rows of the log could not be read for live push",
      );
    }),
  );
  hub.onDispose(() => stack.disposeAsync());
  return hub;
}

/** First what is in the log, then what has come meanwhile, then what comes. */
class Recent {
  readonly #timeseries: TimeSeries;
  readonly #pass: (notice: LogNotice, place: LogPlace) => void;
  #waiting: [LogNotice, LogPlace][] | undefined = [];

  constructor(timeseries: TimeSeries, pass: (notice: LogNotice, place: LogPlace) => void) {
    this.#timeseries = timeseries;
    this.#pass = pass;
  }

  readonly take = (notice: LogNotice, place: LogPlace): void => {
    if (this.#waiting) this.#waiting.push([copied(notice), place]);
    else this.#pass(notice, place);
  };

  async read(): Promise<void> {
    const read: number[] = [];
    try {
      for await (const { place, notices } of this.#timeseries.recent()) {
        for (const notice of notices) this.#pass(notice, place);
        read[place.bucket] = place.seq;
      }
    } finally {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const [notice, place] of waiting)
        if (place.seq > (read[place.bucket] ?? 0)) this.#pass(notice, place);
    }
  }
}

/** Columns are only to be read during the call. */
function copied(notice: LogNotice): LogNotice {
  if (notice.kind !== "points") return notice;
  const { count, texts } = notice;
  return {
    kind: "points",
    count,
    streams: Array.from({ length: count }, (_, i) => notice.streams[i] as number),
    times: Array.from({ length: count }, (_, i) => notice.times[i] as number),
    values: Array.from({ length: count }, (_, i) => notice.values[i] as number),
    ...(texts ? { texts: new Map(texts) } : {}),
  };
}
