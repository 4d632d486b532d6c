import type { Micros } from "../time.ts";
import { ceilTo, floorTo, quarterHour } from "./buckets/cells.ts";
import { type EditStatement, editStatements, placeStatement } from "./chunk-statements.ts";
import { decodeChunk } from "./codec/chunk.ts";
import { chunksOf, type SlotLookup } from "./compactor.ts";
import { emptyPage, sliceTimes } from "./pages.ts";
import { RollupCompaction, type RollupSource } from "./rollup-compaction.ts";
import type { Sometimes } from "./storage.ts";
import type { PlacedChunks } from "./stream-tail.ts";
import { allTime } from "./types.ts";

export interface PlacedSource extends RollupSource {
  /** Where the chunk of an edit begins that comes `skipped` after the first one after `after`. */
  placedStart(placed: PlacedChunks, after: Micros, skipped: number): Sometimes<Micros | undefined>;
  readonly slot: SlotLookup;
}

export interface Placing {
  readonly bucket: number;
  readonly placed: PlacedChunks;
  readonly source: PlacedSource;
  /** Resolves when what came before is written; the source sees it from then on. */
  readonly settle: () => Promise<void>;
}

/** Copied in one statement. */
const chunksAtOnce = 64;

/**
 * Copies the chunks of an edit among those of the stream, whose range is empty by then. What is done again finds the
 * range emptied anew by the deletion that goes before.
 */
export async function* placeChunks(placing: Placing): AsyncGenerator<readonly EditStatement[]> {
  const { bucket, placed, source, settle } = placing;
  await settle();
  const apart = await splitSpanning(placing);
  if (apart.length > 0) yield apart;
  let from = await source.placedStart(placed, allTime.from, 0);
  while (from !== undefined) {
    const next: Micros | undefined = await source.placedStart(placed, from, chunksAtOnce - 1);
    yield [placeStatement(bucket, placed, { from, to: next ?? allTime.to }, chunksAtOnce)];
    from = next;
  }
  await settle();
}

/** A chunk with points on both sides of the range becomes two, so that chunks never overlap. */
async function splitSpanning({ bucket, placed, source }: Placing): Promise<readonly EditStatement[]> {
  const { stream, first, last } = placed;
  const { chunk } = await source.slot(stream, first);
  if (!chunk || chunk.endTime < first) return [];
  const page = decodeChunk(chunk.blob);
  const sides = [sliceTimes(page, allTime.from, first), sliceTimes(page, last + 1, allTime.to)];
  return [
    ...editStatements(bucket, stream, { kind: "remove", startTime: chunk.startTime }),
    ...sides
      .flatMap((side) => chunksOf(side))
      .flatMap((part) => editStatements(bucket, stream, { kind: "write", chunk: part })),
  ];
}

/** From the chunks, when they are placed. */
export const rollupsOfPlaced = ({ placed, source }: Placing): RollupCompaction => {
  const cells = { from: floorTo(quarterHour, placed.first), to: ceilTo(quarterHour, placed.last + 1) };
  return new RollupCompaction(placed.stream, { points: emptyPage, deleted: [] }, source, [cells]);
};
