import type { RecordedChange } from "../changes/changes.ts";
import type { Principal } from "../identity/principal.ts";
import type { StreamCatalogue } from "../timeseries/store.ts";
import type { StreamId } from "../timeseries/types.ts";
import type { Clause } from "./clause.ts";
import { type Described, describe, type Member, plainTopic } from "./topic.ts";
import type { TopicSource } from "./topic-source.ts";

export interface Touched {
  readonly streams: readonly StreamId[];
  readonly members: readonly Member[];
}

/** Ids of one query. */
const idsPerQuery = 1000;

/** What the streams are that have points: looked up when the first point comes, and again after it has changed. */
export class Directory {
  readonly #catalogue: StreamCatalogue;
  readonly #sources = new Map<string, TopicSource>();
  /** Null: the stream is gone. */
  readonly #known = new Map<StreamId, Described | null>();
  readonly #byMember = new Map<string, Set<StreamId>>();
  /** Changes: what was read before one of them is not kept. */
  #epoch = 0;

  constructor(catalogue: StreamCatalogue) {
    this.#catalogue = catalogue;
  }

  /** @param owner as it stands in `Stream.owner` */
  register(owner: string, source: TopicSource): void {
    if (this.#sources.has(owner)) throw new Error(`The topics of ${owner} are registered twice.`);
    this.#sources.set(owner, source);
  }

  /** @throws Problem: see TopicSource */
  async check(principal: Principal, clause: Clause): Promise<void> {
    for (const source of this.#sources.values()) await source.check(principal, clause);
  }

  /** Undefined: not looked up yet; null: gone. */
  get(stream: StreamId): Described | null | undefined {
    return this.#known.get(stream);
  }

  /** The known streams that the clause may be about. */
  *candidates(clause: Clause): Generator<Described> {
    for (const stream of this.#narrowed(clause) ?? this.#known.keys()) {
      const described = this.#known.get(stream);
      if (described) yield described;
    }
  }

  /** Looks the streams up; what changes meanwhile is looked up again. */
  async load(streams: ReadonlySet<StreamId>): Promise<void> {
    let missing = [...streams];
    while (missing.length > 0) {
      const epoch = this.#epoch;
      const part = missing.slice(0, idsPerQuery);
      const found = await this.#read(part);
      if (epoch !== this.#epoch) continue;
      for (const id of part) this.#keep(id, found.get(id) ?? null);
      missing = missing.slice(idsPerQuery);
    }
  }

  /** What has to be looked up again; the caller takes it out of what it has made of it. */
  touched(change: RecordedChange): Touched {
    const streams: StreamId[] = change.resource === "stream" ? [Number(change.object)] : [];
    const members: Member[] = [];
    for (const [owner, source] of this.#sources) {
      const touched = source.touched(change);
      if (touched === "all") streams.push(...this.#ofOwner(owner));
      else if (touched) {
        members.push(touched);
        streams.push(...(this.#byMember.get(memberKey(touched.name, touched.value)) ?? []));
      }
    }
    if (streams.length > 0) this.#epoch++;
    for (const id of streams) this.#forget(id);
    return { streams, members };
  }

  clear(): void {
    this.#epoch++;
    this.#known.clear();
    this.#byMember.clear();
  }

  /** With those that were nobody's when they were looked up. */
  *#ofOwner(owner: string): Generator<StreamId> {
    for (const [id, described] of this.#known) if (!described || described.stream.owner === owner) yield id;
  }

  #narrowed({ streams, members }: Clause): Iterable<StreamId> | undefined {
    if (streams) return streams;
    const [first] = Object.entries(members);
    if (!first) return undefined;
    const [name, values] = first;
    return new Set(values.flatMap((value) => [...(this.#byMember.get(memberKey(name, value)) ?? [])]));
  }

  async #read(ids: readonly StreamId[]): Promise<ReadonlyMap<StreamId, Described>> {
    const streams = await this.#catalogue.list({ ids, limit: ids.length });
    const found = new Map<StreamId, Described>();
    for (const [owner, own] of Map.groupBy(streams, (stream) => stream.owner)) {
      const topics = await this.#sources.get(owner)?.topics(own);
      for (const stream of own) {
        const topic = topics ? topics.get(stream.id) : plainTopic;
        if (topic) found.set(stream.id, describe(stream, topic));
      }
    }
    return found;
  }

  #keep(id: StreamId, described: Described | null): void {
    this.#forget(id);
    this.#known.set(id, described);
    for (const key of keysOf(described)) {
      const ids = this.#byMember.get(key) ?? new Set();
      this.#byMember.set(key, ids.add(id));
    }
  }

  #forget(id: StreamId): void {
    const described = this.#known.get(id) ?? null;
    this.#known.delete(id);
    for (const key of keysOf(described)) {
      const ids = this.#byMember.get(key);
      ids?.delete(id);
      if (ids?.size === 0) this.#byMember.delete(key);
    }
  }
}

const memberKey = (name: string, value: string | number): string => `${name} ${typeof value} ${value}`;

const keysOf = (described: Described | null): readonly string[] =>
  Object.entries(described?.topic.members ?? {}).map(([name, value]) => memberKey(name, value));
