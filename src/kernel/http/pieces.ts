import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyReply } from "fastify";

/** Answers up to this size go out whole. */
const wholeBytes = 2_000_000;
/** How long pieces may be made before others get their turn. */
const sliceMillis = 4;

/**
 * Sends short answers whole, so that a fault still becomes a proper one, and long ones piece by piece as the client
 * takes them: memory stays bounded however long the answer is, and nothing is made for a client that has gone.
 */
export async function sendPieces(
  reply: FastifyReply,
  type: string,
  pieces: AsyncGenerator<string | Uint8Array>,
): Promise<FastifyReply> {
  const begun: Buffer[] = [];
  let turn = performance.now();
  for (let size = 0; size < wholeBytes; ) {
    const next = await pieces.next();
    if (next.done) return reply.type(type).send(Buffer.concat(begun));
    const piece = bytesOf(next.value);
    begun.push(piece);
    size += piece.length;
    if (performance.now() - turn > sliceMillis) {
      await nextTurn();
      turn = performance.now();
    }
  }
  return reply.type(type).send(Readable.from(restOf(begun, pieces), { objectMode: false }));
}

async function* restOf(begun: Buffer[], pieces: AsyncGenerator<string | Uint8Array>): AsyncGenerator<Buffer> {
  try {
    for (let piece = begun.shift(); piece !== undefined; piece = begun.shift()) yield piece;
    for await (const piece of pieces) {
      yield bytesOf(piece);
      // Pages from memory come without waiting: others get their turn in between.
      await nextTurn();
    }
  } finally {
    // When the client goes during the first pieces, the source has not been taken up yet.
    await pieces.return(undefined);
  }
}

const bytesOf = (piece: string | Uint8Array): Buffer =>
  typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
