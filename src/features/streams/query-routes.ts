import type { FastifyReply, FastifyRequest } from "fastify";
import { linkNext } from "../../kernel/http/paging.ts";
import { sendPieces } from "../../kernel/http/pieces.ts";
import { right } from "../../kernel/http/surface.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";
import {
  bucketBatches,
  bucketColumns,
  bucketJson,
  collected,
  cut,
  readBucketed,
  type Stretch,
} from "./buckets.ts";
import { callerOf } from "./catalogue-routes.ts";
import { csvPieces, csvType } from "./csv.ts";
import { ndjsonPieces, ndjsonType } from "./ndjson.ts";
import { parquetPieces, parquetType } from "./parquet.ts";
import { type BucketWish, readWish, type Wish } from "./query.ts";
import { rawBatches, rawColumns, rawJson, rawPageJson, rawSources } from "./raw.ts";
import type { RowBatch, Rows } from "./rows.ts";
import { readAnswer, readQuery } from "./schemas.ts";
import type { Streams } from "./streams.ts";

const jsonType = "application/json; charset=utf-8";

/** `GET /streams/query`. */
export function registerQueryRoute(kernel: Kernel, streams: Streams): void {
  kernel.http.get(
    "/streams/query",
    {
      config: { access: right("view", "stream") },
      schema: {
        tags: ["Streams"],
        summary: "Points of streams, or their figures over the buckets of one time axis",
        description:
          "CSV and NDJSON have one row for each point (time, stream, value) or bucket (time, and a column ID.agg " +
          "for each stream and figure). Times are RFC 3339 in CSV, milliseconds since 1970 in JSON and NDJSON, " +
          "TIMESTAMP_MICROS in Parquet. Everything is streamed; with `limit` a page comes, and the Link header " +
          "leads to the next.",
        querystring: readQuery,
        response: { 200: readAnswer },
      },
    },
    async (request, reply) => {
      const wish = readWish(request.query);
      const found = await streams.getMany(callerOf(request), wish.ids);
      const exchange = { kernel, request, reply, wish };
      return wish.buckets ? sendBuckets(exchange, found, wish.buckets) : sendRaw(exchange, found);
    },
  );
}

interface Exchange {
  readonly kernel: Kernel;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly wish: Wish;
}

async function sendRaw(exchange: Exchange, streams: readonly Stream[]): Promise<FastifyReply> {
  const { kernel, request, reply, wish } = exchange;
  const sources = await rawSources(streams, wish);
  if (wish.limit === undefined) {
    if (wish.format === "json") return sendPieces(reply, jsonType, rawJson(kernel.timeseries, sources));
    return sendRows(exchange, { columns: rawColumns, batches: rawBatches(kernel.timeseries, sources) });
  }
  const { parts, more } = await pageOf(
    rawBatches(kernel.timeseries, sources),
    wish.limit,
    ({ times }) => times.length,
    cutBatch,
  );
  const last = parts.at(-1);
  if (more && last) {
    const row = last.times.length - 1;
    const place = streams.findIndex(({ id }) => id === last.columns[0]?.[row]);
    linkNext(request, reply, [last.times[row] as number, place]);
  }
  if (wish.format === "json") return sendPieces(reply, jsonType, async(rawPageJson(parts, sources)));
  return sendRows(exchange, { columns: rawColumns, batches: async(parts) });
}

async function sendBuckets(
  exchange: Exchange,
  streams: readonly Stream[],
  buckets: BucketWish,
): Promise<FastifyReply> {
  const { kernel, request, reply, wish } = exchange;
  const { plan, stretches } = await readBucketed(kernel.timeseries, streams, wish, buckets);
  let shown: AsyncIterable<Stretch> = stretches;
  if (wish.limit !== undefined) {
    const length = ({ edges }: Stretch) => edges.length - 1;
    const { parts, more } = await pageOf(stretches, wish.limit, length, cut);
    // The page ends where the next bucket begins.
    const next = parts.at(-1)?.edges.at(-1);
    if (more && next !== undefined) linkNext(request, reply, [next]);
    shown = async(parts);
  }
  if (wish.format !== "json")
    return sendRows(exchange, { columns: bucketColumns(plan), batches: bucketBatches(shown) });
  const all = await collected(shown, plan.columns.length);
  return sendPieces(reply, jsonType, async(bucketJson(all, plan, buckets, wish.zone)));
}

function sendRows({ reply, wish }: Exchange, rows: Rows): Promise<FastifyReply> {
  const { format, zone, csv } = wish;
  if (format === "ndjson") return sendPieces(reply, ndjsonType, ndjsonPieces(rows));
  reply.header("content-disposition", `attachment; filename="streams.${format}"`);
  if (format === "parquet") return sendPieces(reply, parquetType, parquetPieces(rows));
  return sendPieces(reply, csvType, csvPieces(rows, csv, zone));
}

/** The first `limit` rows, and whether there are more. Ends the source. */
async function pageOf<T>(
  source: AsyncIterable<T>,
  limit: number,
  length: (part: T) => number,
  cutPart: (part: T, from: number, to: number) => T,
): Promise<{ readonly parts: readonly T[]; readonly more: boolean }> {
  const parts: T[] = [];
  let left = limit;
  for await (const part of source) {
    if (length(part) === 0) continue;
    if (left === 0) return { parts, more: true };
    if (length(part) > left) return { parts: [...parts, cutPart(part, 0, left)], more: true };
    parts.push(part);
    left -= length(part);
  }
  return { parts, more: false };
}

const cutBatch = ({ times, columns, texts }: RowBatch, from: number, to: number): RowBatch => ({
  times: times.subarray(from, to),
  columns: columns.map((column) => column.subarray(from, to)),
  ...(texts ? { texts } : {}),
});

async function* async<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
