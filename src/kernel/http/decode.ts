import type { Readable, Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import type { FastifyReply, FastifyRequest, RequestPayload } from "fastify";
import { Problem } from "../errors.ts";
import { shorten } from "./rule-text.ts";

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

type Done = (error: Error | null, payload?: RequestPayload) => void;

/**
 * A preParsing hook: unpacks a body sent with `Content-Encoding`. The body limit holds for the unpacked size,
 * and nothing is unpacked once the answer is on its way, so that a small bomb stays small.
 */
export function decodeBody(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: RequestPayload,
  done: Done,
): void {
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") {
    done(null, payload);
    return;
  }
  const create = decoders[encoding.trim().toLowerCase()];
  // The multipart parser reads the bare request.
  if (!create || request.headers["content-type"]?.startsWith("multipart/")) {
    done(
      new Problem("unsupported-media-type", {
        detail: `Content-Encoding: ${shorten(encoding)} is not known here; send gzip, deflate, br or zstd.`,
        headers: { "accept-encoding": "gzip, deflate, br, zstd" },
      }),
    );
    return;
  }
  done(null, counted(payload as Readable, create(), reply));
}

/** Fastify compares `receivedEncodedLength` with Content-Length. */
function counted(source: Readable, decoder: Transform, reply: FastifyReply): RequestPayload {
  const result = Object.assign(decoder, { receivedEncodedLength: 0 });
  source.on("data", (chunk: Buffer) => {
    result.receivedEncodedLength += chunk.length;
  });
  source.on("error", (error) => result.destroy(error));
  reply.raw.once("close", () => result.destroy());
  reply.raw.once("finish", () => result.destroy());
  // After destroy() late errors of the decoder have nobody to go to; the answer has been given.
  result.on("error", () => source.unpipe(result));
  source.pipe(result);
  return result;
}
