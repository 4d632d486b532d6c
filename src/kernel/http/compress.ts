import { Readable, type Transform } from "node:stream";
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createDeflate,
  createGzip,
  createZstdCompress,
  deflate,
  gzip,
  zstdCompress,
} from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { addVary } from "./cors.ts";

/** Smaller answers fit one packet either way. */
const minBytes = 1024;
const packable = /json|text\/(?!event-stream)|xml|yaml|javascript|svg|wasm/i;

type Done = (error: Error | null, payload?: unknown) => void;
type Callback = (error: Error | null, result: Buffer) => void;

interface Encoder {
  whole(bytes: Buffer, callback: Callback): void;
  stream(): Transform;
}

const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
/** Level 1: the answers are made once each, so that time counts more than the last percent. */
const quick = { level: 1 };

/** Best first, where the client likes several equally. */
const encoders: ReadonlyMap<string, Encoder> = new Map<string, Encoder>([
  ["zstd", { whole: (bytes, done) => zstdCompress(bytes, done), stream: () => createZstdCompress() }],
  [
    "br",
    {
      whole: (bytes, done) => brotliCompress(bytes, brotli, done),
      stream: () => createBrotliCompress(brotli),
    },
  ],
  ["gzip", { whole: (bytes, done) => gzip(bytes, quick, done), stream: () => createGzip(quick) }],
  ["deflate", { whole: (bytes, done) => deflate(bytes, quick, done), stream: () => createDeflate(quick) }],
]);

/** The content coding to use for this Accept-Encoding; undefined = none. */
export function chooseEncoding(accept: string): string | undefined {
  let best: string | undefined;
  let bestQuality = 0;
  const qualities = new Map(accept.split(",").map(parseQuality));
  for (const name of encoders.keys()) {
    const quality = qualities.get(name) ?? (name === "gzip" ? qualities.get("*") : undefined) ?? 0;
    if (quality <= bestQuality) continue;
    best = name;
    bestQuality = quality;
  }
  return best;
}

function parseQuality(entry: string): [string, number] {
  const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith("q="));
  const value = quality === undefined ? 1 : Number(quality.slice(2));
  return [name, Number.isFinite(value) ? value : 0];
}

/** An onSend hook: packs larger answers for clients that ask for it. */
export function compressAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: Done,
): void {
  const size = sizeOf(payload);
  const accept = request.headers["accept-encoding"];
  if (size < minBytes || accept === undefined || !mayPack(request, reply)) {
    done(null, payload);
    return;
  }
  addVary(reply, "Accept-Encoding");
  const name = chooseEncoding(accept);
  const encoder = name === undefined ? undefined : encoders.get(name);
  if (name === undefined || !encoder) {
    done(null, payload);
    return;
  }
  reply.header("content-encoding", name);
  reply.removeHeader("content-length");
  if (payload instanceof Readable) {
    done(null, packStream(payload, encoder.stream()));
    return;
  }
  const bytes = typeof payload === "string" ? Buffer.from(payload) : (payload as Buffer);
  encoder.whole(bytes, (error, packed) => done(error, packed));
}

/** Of a stream it is unknown: large. */
function sizeOf(payload: unknown): number {
  if (typeof payload === "string" || payload instanceof Uint8Array) return payload.length;
  return payload instanceof Readable ? Number.POSITIVE_INFINITY : 0;
}

const mayPack = (request: FastifyRequest, reply: FastifyReply): boolean =>
  request.method !== "HEAD" &&
  reply.statusCode !== 206 &&
  reply.getHeader("content-encoding") === undefined &&
  packable.test(String(reply.getHeader("content-type") ?? ""));

function packStream(source: Readable, encoder: Transform): Transform {
  source.once("error", (error) => encoder.destroy(error));
  encoder.once("close", () => source.destroy());
  return source.pipe(encoder);
}
