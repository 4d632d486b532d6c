import { type Micros, millisFromMicros } from "../time.ts";
import type { StreamId } from "../timeseries/types.ts";
import { idText } from "./position.ts";
import type { LiveRow } from "./recent-rows.ts";
import type { Described } from "./topic.ts";

/** How values stand in an event: as JSON text in a string, or as JSON themselves. */
export type Form = "text" | "native";

/** A point on its way to its readers, written once. */
export interface Event {
  readonly id: string;
  readonly stream: StreamId;
  readonly time: Micros;
  /** A JSON object on one line. */
  readonly json: string;
}

export function eventOf(row: LiveRow, index: number, described: Described, form: Form): Event {
  const id = idText(row.heads, row.bucket, row.offset + index);
  const time = row.times[index] as Micros;
  const text = row.texts?.get(index) ?? numberText(row.values[index] as number);
  const value = form === "native" ? text : JSON.stringify(text);
  const json = `{"id":"${id}"${described.head}${value},"timestamp":${millisFromMicros(time)}}`;
  return { id, stream: described.stream.id, time, json };
}

/** -0 keeps its sign. */
const numberText = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));
