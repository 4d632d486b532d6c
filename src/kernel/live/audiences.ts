import type { StreamId } from "../timeseries/types.ts";
import { Audience, keyOf, type MayRead, type Taste } from "./audience.ts";
import type { Clause } from "./clause.ts";
import type { Directory } from "./directory.ts";
import { type Event, eventOf } from "./events.ts";
import type { LiveRow } from "./recent-rows.ts";
import type { Subscriber } from "./subscriber.ts";

/** Who is to get what, by stream: an event costs as much as it has audiences. */
export class Audiences {
  readonly #directory: Directory;
  readonly #mayRead: MayRead;
  readonly #byKey = new Map<string, Audience>();
  readonly #byStream = new Map<StreamId, Audience[]>();
  /** Those for which something waits. */
  readonly #waiting = new Set<Audience>();

  constructor(directory: Directory, mayRead: MayRead) {
    this.#directory = directory;
    this.#mayRead = mayRead;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Makes the subscriber a member of the audience that has its taste, and of no other. Nothing may wait. */
  seat(subscriber: Subscriber, taste: Taste | undefined): void {
    const key = taste && keyOf(taste);
    if (subscriber.audience?.key === key) return;
    this.leave(subscriber);
    if (!taste || key === undefined) return;
    const audience = this.#byKey.get(key) ?? this.#open(taste);
    audience.members.add(subscriber);
    subscriber.audience = audience;
  }

  /** The same for all whose clause gives them the same. */
  keyFor({ principal, form, newest }: Subscriber, clause: Clause): string {
    return keyOf({ clauses: [clause], form, newest, principal });
  }

  leave(subscriber: Subscriber): void {
    const { audience } = subscriber;
    subscriber.audience = undefined;
    if (!audience?.members.delete(subscriber) || audience.members.size > 0) return;
    this.#byKey.delete(audience.key);
    this.#waiting.delete(audience);
    for (const stream of audience.streams) {
      const listed = this.#byStream.get(stream);
      listed?.splice(listed.indexOf(audience), 1);
    }
  }

  /** Streams of the row, from the point `from` on, that have to be looked up first. */
  unknown(row: LiveRow, from: number, to: number, into: Set<StreamId>): void {
    for (let i = from; i < to; i++) {
      const stream = row.streams[i] as StreamId;
      if (!this.#byStream.has(stream) && !this.#list(stream)) into.add(stream);
    }
  }

  /** Hands points of the row to whom they concern; returns how many became events. */
  distribute(row: LiveRow, from: number, to: number): number {
    let events = 0;
    for (let i = from; i < to; i++) {
      const stream = row.streams[i] as StreamId;
      const audiences = this.#byStream.get(stream);
      if (!audiences || audiences.length === 0) continue;
      const described = this.#directory.get(stream);
      if (!described) continue;
      events++;
      const written: Partial<Record<string, Event>> = {};
      for (const audience of audiences) {
        const { form } = audience.taste;
        const event = written[form] ?? eventOf(row, i, described, form);
        written[form] = event;
        audience.push(event);
        this.#waiting.add(audience);
      }
    }
    return events;
  }

  /** Those for which something waits; from now on for nobody. */
  takeWaiting(): readonly Audience[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  /** The streams have to be looked up again. */
  forget(streams: Iterable<StreamId>): void {
    for (const stream of streams) {
      for (const audience of this.#byStream.get(stream) ?? []) audience.streams.delete(stream);
      this.#byStream.delete(stream);
    }
  }

  #open(taste: Taste): Audience {
    const audience = new Audience(taste, this.#mayRead);
    this.#byKey.set(audience.key, audience);
    for (const clause of taste.clauses)
      for (const described of this.#directory.candidates(clause)) {
        const { id } = described.stream;
        if (audience.streams.has(id) || !audience.wants(described)) continue;
        const listed = this.#byStream.get(id);
        // Where the stream is not listed at all, its first event will list it.
        if (listed) this.#add(listed, audience, id);
      }
    return audience;
  }

  #add(listed: Audience[], audience: Audience, stream: StreamId): void {
    listed.push(audience);
    audience.streams.add(stream);
  }

  /** @returns false when the stream is not known yet */
  #list(stream: StreamId): boolean {
    const described = this.#directory.get(stream);
    if (described === undefined) return false;
    const listed: Audience[] = [];
    this.#byStream.set(stream, listed);
    if (described)
      for (const audience of this.#byKey.values())
        if (audience.wants(described)) this.#add(listed, audience, stream);
    return true;
  }
}
