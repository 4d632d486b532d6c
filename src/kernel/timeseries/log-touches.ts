import type { Micros } from "../time.ts";
import type { DecodedOperation, LogOperation } from "./codec/log-batch.ts";
import type { StreamId } from "./types.ts";

/**
 * Whether the operation has to do with something that is asked for, by stream and time: of points each, of a deletion
 * its first instant, of the end of a stream all of time.
 */
export function touches(
  operation: LogOperation | DecodedOperation,
  isAsked: (stream: StreamId, time: Micros) => boolean,
): boolean {
  if (operation.kind === "dropStream") return false;
  if (operation.kind === "placeChunks") return isAsked(operation.stream, operation.first);
  if (operation.kind === "deleteRange") return isAsked(operation.stream, operation.range.from);
  const { count, streams, times } = operation;
  for (let i = 0; i < count; i++) if (isAsked(streams[i] as number, times[i] as number)) return true;
  return false;
}
