import type { StreamId } from "../timeseries/types.ts";
import { eventQueue } from "./audience.ts";
import type { Directory } from "./directory.ts";
import { type Event, eventOf, type Form } from "./events.ts";
import { firstAfter, type Position } from "./position.ts";
import type { LiveRow, RecentRows } from "./recent-rows.ts";
import type { Described } from "./topic.ts";

/** A stretch of the recent rows: after a position, up to a point of a row. */
export interface Missed {
  readonly after: Position;
  /** Running number of the row that is the end, and how many of its points belong to it. */
  readonly row: number;
  readonly points: number;
}

export interface ReplayOf {
  readonly wants: (described: Described) => boolean;
  readonly form: Form;
  readonly newest: boolean;
  readonly maxBytes: number;
}

/** Looks up every stream of the stretch, so that `replay` can do without waiting. */
export async function lookUp(rows: RecentRows, directory: Directory, missed: Missed): Promise<void> {
  for (;;) {
    const unknown = new Set<StreamId>();
    for (const [row, from, to] of stretch(rows, missed))
      for (let i = from; i < to; i++) {
        const stream = row.streams[i] as StreamId;
        if (directory.get(stream) === undefined) unknown.add(stream);
      }
    if (unknown.size === 0) return;
    await directory.load(unknown);
  }
}

/** The events of the stretch that are wanted; undefined when they are too many. */
export function replay(
  rows: RecentRows,
  directory: Directory,
  missed: Missed,
  { wants, form, newest, maxBytes }: ReplayOf,
): readonly Event[] | undefined {
  const wanted = new Map<StreamId, Described | undefined>();
  const queue = eventQueue(newest);
  let bytes = 0;
  for (const [row, from, to] of stretch(rows, missed))
    for (let i = from; i < to; i++) {
      const stream = row.streams[i] as StreamId;
      if (!wanted.has(stream)) {
        const found = directory.get(stream);
        wanted.set(stream, found && wants(found) ? found : undefined);
      }
      const described = wanted.get(stream);
      if (!described) continue;
      const event = eventOf(row, i, described, form);
      queue.push(event);
      bytes += event.json.length;
      if (!newest && bytes > maxBytes) return undefined;
    }
  return queue.take();
}

function* stretch(
  rows: RecentRows,
  { after, row: end, points }: Missed,
): Generator<[LiveRow, number, number]> {
  for (let number = rows.begin; number <= end; number++) {
    const row = rows.at(number);
    if (!row) continue;
    const from = Math.max(0, firstAfter(after, row.bucket, row.seq) - row.offset);
    const to = number === end ? points : row.streams.length;
    if (from < to) yield [row, from, to];
  }
}
