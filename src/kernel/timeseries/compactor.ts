import type { Micros } from "../time.ts";
import { clip } from "./buckets/cell-ranges.ts";
import { decodeChunk, encodeChunk } from "./codec/chunk.ts";
import { type PageSummary, summarize } from "./codec/summary.ts";
import {
  emptyPage,
  firstTime,
  lastTime,
  lowerBound,
  mergePages,
  sliceIndexes,
  sliceTimes,
  withoutRanges,
} from "./pages.ts";
import { addRange, type Ranges } from "./ranges.ts";
import type { ChunkRow, Sometimes } from "./storage.ts";
import type { StreamTail } from "./stream-tail.ts";
import { allTime, type PointPage, type StreamId } from "./types.ts";

/** How many points a chunk is meant to have; up to twice as many where late ones came in between. */
export const chunkPoints = 1024;
/** A last chunk of so many points is left as it is: filling it up would encode most points twice. */
const fullEnough = 768;
/** Texts can be long: a chunk is cut where they reach this many characters. */
const chunkTextLength = 1 << 20;

export interface NewChunk extends PageSummary {
  readonly blob: Uint8Array;
}

/** What is to be done to the chunks of a stream. */
export type ChunkEdit =
  /** Removes the chunks that lie in [from, to) as a whole. */
  | { readonly kind: "clear"; readonly from: Micros; readonly to: Micros }
  | { readonly kind: "remove"; readonly startTime: Micros }
  /** Moves a chunk that cannot be decoded out of the way. */
  | { readonly kind: "setAside"; readonly startTime: Micros }
  /** Writes a chunk in place of one that starts at the same time. */
  | { readonly kind: "write"; readonly chunk: NewChunk };

/** Edits of one transaction: a reader that sees all or none of them sees each old point exactly once. */
export type EditGroup = readonly ChunkEdit[];

/** The chunk a time belongs to, and where the next one starts. */
export interface Slot {
  /** The last chunk that starts at or before the time. */
  readonly chunk: ChunkRow | undefined;
  /** Where the first chunk after the time starts; Infinity without one. */
  readonly nextStart: Micros;
}

export type SlotLookup = (stream: StreamId, time: Micros) => Sometimes<Slot>;

export interface StreamCompaction {
  readonly tail: StreamTail;
  /** `undefined`: the stream is gone. */
  readonly mode: "history" | "last" | undefined;
  readonly slot: SlotLookup;
  /** The newest time that counts as 'latest'. */
  readonly horizon: Micros;
  /** Where the raw points begin; what has expired is neither deleted nor written again. */
  readonly from: Micros | undefined;
}

/** What a compaction does to the points of a stream: first these ranges go, then these points come. */
export interface StreamChanges {
  readonly points: PointPage;
  readonly deleted: Ranges;
}

/** `undefined`: the stream is gone, with all its points. */
export const changesOf = async (compaction: StreamCompaction): Promise<StreamChanges | undefined> => {
  const { tail, mode } = compaction;
  if (mode === undefined || tail.closed) return undefined;
  if (mode === "last") return newestOnly(compaction);
  const { from } = compaction;
  const points = tail.page();
  if (from === undefined) return { points, deleted: tail.deleted };
  const kept = { from, to: allTime.to };
  return { points: sliceTimes(points, from, kept.to), deleted: clip(tail.deleted, kept) };
};

/**
 * Lays one stream's part of the tail into its chunks. Only the chunks it touches are decoded. Doing the same again
 * over the result, or over a part of it, changes nothing: a compaction that was cut off is simply repeated.
 */
export async function* compactStream(compaction: StreamCompaction): AsyncGenerator<EditGroup> {
  const { tail, slot } = compaction;
  const changes = await changesOf(compaction);
  if (changes === undefined) {
    yield [{ kind: "clear", from: allTime.from, to: allTime.to }];
    return;
  }
  const { points, deleted } = changes;
  if (deleted.length > 0) yield deleted.map(({ from, to }) => ({ kind: "clear", from, to }));
  const edges = deleted.flatMap(({ from, to }) => [from, to]);
  let point = 0;
  let edge = 0;
  while (point < points.times.length || edge < edges.length) {
    const time = Math.min(
      points.times[point] ?? Number.POSITIVE_INFINITY,
      edges[edge] ?? Number.POSITIVE_INFINITY,
    );
    const { chunk, nextStart } = await slot(tail.id, time);
    const end = lowerBound(points.times, nextStart);
    yield* compactSlot(chunk, sliceIndexes(points, point, end), deleted, nextStart);
    point = end;
    while (edge < edges.length && (edges[edge] as number) < nextStart) edge++;
  }
}

/** For a stream that keeps only its newest point: everything before that counts as deleted. */
async function newestOnly({ tail, slot, horizon }: StreamCompaction): Promise<StreamChanges> {
  const all = tail.page();
  const { chunk } = await slot(tail.id, horizon);
  const kept = chunk ? withoutRanges(decodeOrNone(chunk) ?? emptyPage, tail.deleted) : emptyPage;
  const newest = Math.max(
    lastTime(sliceTimes(all, allTime.from, horizon + 1)),
    lastTime(sliceTimes(kept, allTime.from, horizon + 1)),
  );
  if (newest === Number.NEGATIVE_INFINITY) return { points: all, deleted: tail.deleted };
  return {
    points: sliceTimes(all, newest, allTime.to),
    deleted: addRange(tail.deleted, { from: allTime.from, to: newest }),
  };
}

function* compactSlot(
  chunk: ChunkRow | undefined,
  points: PointPage,
  deleted: Ranges,
  nextStart: Micros,
): Generator<EditGroup> {
  const overlapping = chunk !== undefined && firstTime(points) <= chunk.endTime;
  if (!chunk || !mustRewrite(chunk, points, deleted)) {
    for (const part of split(points, false)) yield [write(part)];
    return;
  }
  const old = decodeOrNone(chunk);
  const kept = withoutRanges(old ?? emptyPage, deleted);
  if (old && points.times.length === 0 && kept.times.length === old.times.length) return;
  const merged = mergePages(kept, points);
  const away: ChunkEdit = { kind: old ? "remove" : "setAside", startTime: chunk.startTime };
  let group: ChunkEdit[] = [away];
  for (const part of split(merged, overlapping && nextStart !== Number.POSITIVE_INFINITY)) {
    group.push(write(part));
    // What is left holds no point of the old chunk, and may follow in another transaction.
    if (lastTime(part) < lastTime(kept)) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function mustRewrite(chunk: ChunkRow, points: PointPage, deleted: Ranges): boolean {
  const touched = deleted.some(({ from, to }) => from <= chunk.endTime && to > chunk.startTime);
  if (points.times.length === 0) return touched;
  return touched || firstTime(points) <= chunk.endTime || chunk.count < fullEnough;
}

function decodeOrNone(chunk: ChunkRow): PointPage | undefined {
  try {
    return decodeChunk(chunk.blob);
  } catch {
    return undefined;
  }
}

const write = (page: PointPage): ChunkEdit => ({
  kind: "write",
  chunk: { ...summarize(page), blob: encodeChunk(page) },
});

/** Chunks of points that nothing lies between. */
export const chunksOf = (page: PointPage): readonly NewChunk[] =>
  [...split(page, false)].map((part) => ({ ...summarize(part), blob: encodeChunk(part) }));

/** @param inBetween another chunk follows: a full chunk would only leave a crumb beside it */
function* split(page: PointPage, inBetween: boolean): Generator<PointPage> {
  const count = page.times.length;
  const parts = inBetween && count <= 2 * chunkPoints ? 1 : Math.ceil(count / chunkPoints);
  const size = inBetween ? Math.ceil(count / parts) : chunkPoints;
  for (let at = 0; at < count; at += size)
    yield* splitTexts(sliceIndexes(page, at, Math.min(at + size, count)));
}

function* splitTexts(page: PointPage): Generator<PointPage> {
  let start = 0;
  let length = 0;
  if (page.texts)
    for (const [index, text] of page.texts) {
      length += text.length;
      if (length < chunkTextLength) continue;
      yield sliceIndexes(page, start, index + 1);
      start = index + 1;
      length = 0;
    }
  if (start < page.times.length) yield sliceIndexes(page, start, page.times.length);
}
