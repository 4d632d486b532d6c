import type { Stream } from "../timeseries/types.ts";

/** What the points of a stream are to those who listen. */
export interface Topic {
  /** Such as `value` or `setpoint`. */
  readonly kind: string;
  /** What else stands in the event and can be asked for, like the datapoint's id; in this order. */
  readonly members: Readonly<Record<string, string | number>>;
}

/** A member of a topic, like the datapoint 12. */
export interface Member {
  readonly name: string;
  readonly value: string | number;
}

/** A stream with its topic. */
export interface Described {
  readonly stream: Stream;
  readonly topic: Topic;
  /** The part of the event's JSON text between `"id"` and the value. */
  readonly head: string;
}

/** Streams whose feature says nothing more about them. */
export const plainTopic: Topic = { kind: "value", members: {} };

export function describe(stream: Stream, topic: Topic): Described {
  const members = { kind: topic.kind, ...topic.members, stream: stream.id };
  const texts = Object.entries(members).map(
    ([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  return { stream, topic, head: `${texts.join("")},"value":` };
}
