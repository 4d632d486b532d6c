import { invalidField } from "../errors.ts";
import { type Micros, microsFromMillis } from "../time.ts";
import { edgesBetween } from "./buckets/edges.ts";
import type { BucketFigure, BucketQuery, BucketTable } from "./buckets/query.ts";
import { zoneId } from "./buckets/zones.ts";
import { checkKey, checkRange } from "./checks.ts";
import { firstAnswered, needsPoints } from "./expired-buckets.ts";
import { type BucketAxis, type BucketSources, SeriesBuckets } from "./series-buckets.ts";
import { Turn } from "./turn.ts";
import { allTime, type StreamId } from "./types.ts";

/** Bucketed reads: rollups as far as they go, points where they do not. */
export class BucketReader {
  readonly #sources: BucketSources;
  readonly #tableValues: number;

  /** @param tableValues how many values a table may have */
  constructor(sources: BucketSources, tableValues: number) {
    this.#sources = sources;
    this.#tableValues = tableValues;
  }

  async *read(query: BucketQuery): AsyncGenerator<BucketTable> {
    check(query);
    const { streams, figures, fill, offset = 0 } = query;
    const edges = edgesBetween(query.interval, query.zone, query.range, { offset });
    const buckets = edges.length - 1;
    if (buckets < 1) return;
    const step = Math.max(1, Math.floor(this.#tableValues / Math.max(1, streams.length * figures.length)));
    const turn = new Turn();
    const axis = { edges, figures, fill, step };
    await this.#sources.prepare(streams);
    const series = await inGroups(streams, turn, (stream) => this.#openBoth(stream, axis, turn));
    for (let at = 0; at < buckets; at += step) {
      const columns = await inGroups(series, turn, (each) => each.next(at));
      yield { edges: edges.slice(at, at + step + 1), columns: columns.flat() };
      turn.begin();
    }
  }

  /** Before the horizon of the stream some figures can be answered and others not: those go separately. */
  async #openBoth(stream: StreamId, axis: BucketAxis, turn: Turn): Promise<Pick<SeriesBuckets, "next">> {
    const durations = axis.figures.filter(needsPoints);
    const others = axis.figures.filter((figure) => !needsPoints(figure));
    const expired = this.#sources.horizon(stream) > (axis.edges[0] as number);
    if (!expired || durations.length === 0 || others.length === 0) return this.#open(stream, axis, turn);
    const byPoints = await this.#open(stream, { ...axis, figures: durations }, turn);
    const byRollups = await this.#open(stream, { ...axis, figures: others }, turn);
    return {
      next: async (at) => {
        const first = (await byPoints.next(at)).values();
        const second = (await byRollups.next(at)).values();
        return axis.figures.flatMap((figure) => (needsPoints(figure) ? first : second).next().value ?? []);
      },
    };
  }

  async #open(stream: StreamId, axis: BucketAxis, turn: Turn): Promise<SeriesBuckets> {
    const { reader, highWater, clock } = this.#sources;
    const kept = await this.#sources.firstKept(stream);
    let until = microsFromMillis(clock.now());
    // Where points of the future are known, values hold up to the last of them.
    if (highWater.of(stream) > until) {
      const newest = await reader.newestBefore(stream, allTime.to);
      until = Math.max(until, newest?.time ?? until);
    }
    const horizon = this.#sources.horizon(stream);
    const start = kept === undefined ? firstAnswered(axis.edges, horizon, axis.figures) : 0;
    const first = axis.edges[start] as number;
    const carried = axis.figures.some(needsCarried)
      ? await this.#lastNumberBefore(stream, first, kept)
      : undefined;
    const series = { stream, kept, until, horizon, start, carried };
    return new SeriesBuckets(this.#sources, axis, series, turn);
  }

  async #lastNumberBefore(
    stream: StreamId,
    time: Micros,
    kept: Micros | undefined,
  ): Promise<number | undefined> {
    const { reader, lastRolledUp } = this.#sources;
    const horizon = this.#sources.horizon(stream);
    const from = Math.max(kept ?? Number.MIN_SAFE_INTEGER, horizon);
    const number = await reader.lastNumberBefore(stream, time, from);
    if (number !== undefined || kept !== undefined || horizon === Number.NEGATIVE_INFINITY) return number;
    return lastRolledUp(stream, Math.min(time, horizon));
  }
}

/** Streams that are read side by side: on PostgreSQL over several connections. */
const atOnce = 8;

async function inGroups<T, R>(items: readonly T[], turn: Turn, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(work))));
    if (turn.isOver) await turn.next();
  }
  return results;
}

const needsCarried = (figure: BucketFigure): boolean =>
  figure.kind === "duration" || ["twa", "integral", "increase"].includes(figure.aggregate);

/** @throws Problem `invalid-request` */
function check({ streams, range, zone, figures }: BucketQuery): void {
  for (const stream of streams) checkKey(stream, 0);
  checkRange(1, range);
  zoneId(zone);
  for (const figure of figures)
    if (figure.kind === "duration" && !Number.isFinite(figure.condition.value))
      throw invalidField("value", `${figure.condition.value} is not a number to compare with.`);
}
