/** A blob whose bytes cannot be what an encoder wrote. Thrown as one of the two classes below, which name the format. */
export class CorruptBlob extends Error {
  override readonly name: string = "CorruptBlob";
}

/** A chunk's blob is damaged, truncated or of an unknown version: its points must be reported, never returned. */
export class ChunkCorrupt extends CorruptBlob {
  override readonly name = "ChunkCorrupt";
}

/** A committed log row is damaged, truncated or of an unknown version. */
export class LogCorrupt extends CorruptBlob {
  override readonly name = "LogCorrupt";
}
