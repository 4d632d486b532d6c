import type { RecordedChange } from "../changes/changes.ts";
import { Problem, type ProblemCode } from "../errors.ts";
import type { Principal } from "../identity/principal.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { LogNotice, LogPlace } from "../timeseries/log-notice.ts";
import type { StreamOwners } from "../timeseries/owners.ts";
import type { StreamCatalogue } from "../timeseries/store.ts";
import { Admission } from "./admission.ts";
import type { MayRead } from "./audience.ts";
import { Audiences } from "./audiences.ts";
import { type BacklogLimits, dropSlow } from "./backlog.ts";
import type { Clause } from "./clause.ts";
import { Directory } from "./directory.ts";
import { Distribution } from "./distribution.ts";
import { countOne, LiveFigures } from "./figures.ts";
import type { Live } from "./live.ts";
import { positionText } from "./position.ts";
import { RecentRows } from "./recent-rows.ts";
import type { Request } from "./requests.ts";
import { Rounds } from "./rounds.ts";
import { Subscriber, type SubscriberOptions } from "./subscriber.ts";
import type { Member } from "./topic.ts";
import type { TopicSource } from "./topic-source.ts";
import type { EndReason } from "./transport.ts";

export interface HubOptions extends BacklogLimits {
  /** Of the rows kept for those who come back. */
  readonly keptBytes: number;
  /** How long rows are kept when nobody is connected, milliseconds. */
  readonly keptMillis: number;
  /** How often clients are told where they are, milliseconds. */
  readonly beatMillis: number;
  /** How long a client that was ahead of this node waits for it, milliseconds. */
  readonly patienceMillis: number;
}

const hubDefaults: HubOptions = {
  keptBytes: 16 * 1024 * 1024,
  maxBacklog: 2 * 1024 * 1024,
  maxTotalBacklog: 256 * 1024 * 1024,
  keptMillis: 600_000,
  beatMillis: 15_000,
  patienceMillis: 5000,
};

export interface HubParts {
  readonly streams: StreamCatalogue;
  readonly owners: StreamOwners;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly options?: Partial<HubOptions>;
}

/** See Live. Works in rounds: hand on what has come, write the frames, then do what connections have asked for. */
export class Hub implements Live, AsyncDisposable {
  readonly figures: LiveFigures;
  readonly #options: HubOptions;
  readonly #log: Log;
  readonly #rows: RecentRows;
  readonly #directory: Directory;
  readonly #audiences: Audiences;
  readonly #distribution: Distribution;
  readonly #admission: Admission;
  readonly #subscribers = new Set<Subscriber>();
  readonly #rounds: Rounds;
  readonly #beat: NodeJS.Timeout;
  readonly #ends = new AsyncDisposableStack();
  #requests: Request[] = [];
  #waiting: readonly Request[] = [];
  #gone: Member[] = [];
  #missed = false;
  #beatDue = false;
  /** By `performance.now()`; rows are kept for some time after somebody was there. */
  #lastUsed = performance.now();
  #closed = false;

  constructor(parts: HubParts) {
    const { owners, log, metrics } = parts;
    this.#options = { ...hubDefaults, ...parts.options };
    this.#log = log;
    const rows = new RecentRows(this.#options.keptBytes);
    this.#rows = rows;
    this.#directory = new Directory(parts.streams);
    const mayRead: MayRead = (principal, { stream }) => owners.mayRead(principal, stream);
    this.#audiences = new Audiences(this.#directory, mayRead);
    this.figures = new LiveFigures(metrics, () => rows.bytes);
    this.#distribution = new Distribution(rows, this.#directory, this.#audiences, this.figures);
    this.#admission = new Admission({
      rows,
      directory: this.#directory,
      audiences: this.#audiences,
      distribution: this.#distribution,
      figures: this.figures,
      mayRead,
      maxBacklog: this.#options.maxBacklog,
    });
    this.#rounds = new Rounds({ log, hasWork: () => this.#hasWork, run: () => this.#round() });
    this.#beat = setInterval(() => this.#onBeat(), this.#options.beatMillis).unref();
  }

  get subscribers(): ReadonlySet<Subscriber> {
    return this.#subscribers;
  }

  get isDraining(): boolean {
    return this.#closed;
  }

  connectionsOf({ id }: Principal): number {
    let count = 0;
    for (const { principal } of this.#subscribers) if (principal.id === id) count++;
    return count;
  }

  register(owner: string, source: TopicSource): void {
    this.#directory.register(owner, source);
  }

  check(principal: Principal, clause: Clause): Promise<void> {
    return this.#directory.check(principal, clause);
  }

  /** To be called once: what is asked of it waits until this has settled. */
  openWith(recent: Promise<unknown>): void {
    this.#rounds.startAfter(recent);
  }

  /** What has come into the log. */
  readonly take = (notice: LogNotice, { bucket, seq }: LogPlace): void => {
    if (notice.kind === "missed") {
      this.#rows.skipTo(bucket, seq);
      this.#missed = true;
      this.#rounds.wake();
      return;
    }
    this.#rows.advance(bucket, seq);
    if (notice.kind !== "points") return;
    if (this.#isUsed) this.#rows.add(bucket, notice);
    else this.#rows.skipTo(bucket, seq);
    if (this.#subscribers.size === 0) this.#distribution.skip();
    else this.#rounds.wake();
  };

  follow(change: RecordedChange): void {
    const { streams, members } = this.#directory.touched(change);
    this.#audiences.forget(streams);
    if (change.action !== "delete" || members.length === 0) return;
    this.#gone.push(...members);
    this.#rounds.wake();
  }

  connect(options: SubscriberOptions): Subscriber {
    const subscriber = new Subscriber(options);
    this.#subscribers.add(subscriber);
    this.figures.connections[options.transport.wire.name]++;
    if (this.#closed) this.end(subscriber, "shutdown", "The server is shutting down.");
    return subscriber;
  }

  subscribe(subscriber: Subscriber, name: string, clause: Clause, after?: string): void {
    const until = performance.now() + this.#options.patienceMillis;
    const request = { kind: "subscribe", subscriber, name, clause, until } as const;
    this.#ask(after === undefined ? request : { ...request, after });
  }

  unsubscribe(subscriber: Subscriber, name: string): void {
    this.#ask({ kind: "unsubscribe", subscriber, name });
  }

  changeRights(subscriber: Subscriber, principal: Principal): void {
    this.#ask({ kind: "rights", subscriber, principal });
  }

  leave(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return;
    subscriber.ended = true;
    this.#audiences.leave(subscriber);
    this.figures.connections[subscriber.transport.wire.name]--;
    this.#lastUsed = performance.now();
    if (this.#subscribers.size === 0) this.#distribution.skip();
  }

  end(subscriber: Subscriber, reason: EndReason, detail: string): void {
    if (!this.#subscribers.has(subscriber)) return;
    this.leave(subscriber);
    countOne(this.figures.ended, reason);
    this.#log.debug({ reason, user: subscriber.principal.name }, "a live connection was ended");
    subscriber.transport.end(reason, new Problem(problemOf[reason], { detail }));
  }

  drain(): void {
    this.#closed = true;
    clearInterval(this.#beat);
    for (const subscriber of this.#subscribers)
      this.end(subscriber, "shutdown", "The server is shutting down; connect again.");
  }

  /** What feeds it ends with it. */
  onDispose(end: () => Promise<void>): void {
    this.#ends.defer(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    await this.#ends.disposeAsync();
    await this.#rounds.end();
  }

  get #isUsed(): boolean {
    return this.#subscribers.size > 0 || performance.now() - this.#lastUsed < this.#options.keptMillis;
  }

  #ask(request: Request): void {
    this.#requests.push(request);
    this.#rounds.wake();
  }

  #onBeat(): void {
    if (this.#subscribers.size > 0) {
      this.#beatDue = true;
      this.#rounds.wake();
    } else if (!this.#isUsed) {
      this.#rows.clear();
      this.#directory.clear();
    }
  }

  get #hasWork(): boolean {
    return (
      this.#distribution.hasMore ||
      this.#requests.length + this.#waiting.length + this.#gone.length > 0 ||
      this.#missed ||
      this.#beatDue
    );
  }

  async #round(): Promise<void> {
    await this.#distribution.hand();
    await this.#distribution.send();
    dropSlow(this.#subscribers, this.#options, (...why) => this.end(...why));
    this.#tellAll();
    const requests = [...this.#waiting, ...this.#requests];
    this.#waiting = [];
    this.#requests = [];
    let failure: unknown;
    this.#waiting = await this.#admission.admit(requests, (error) => {
      failure = error;
    });
    if (failure !== undefined) throw failure;
  }

  #tellAll(): void {
    const missed = this.#distribution.takeOvertaken() || this.#missed;
    const gone = this.#gone;
    const beat = this.#beatDue;
    this.#missed = false;
    this.#gone = [];
    this.#beatDue = false;
    if (!missed && !beat && gone.length === 0) return;
    const position = positionText(this.#distribution.position());
    for (const subscriber of this.#subscribers) {
      const { transport, clauses } = subscriber;
      if (missed && clauses.size > 0) {
        countOne(this.figures.resets, "missed");
        transport.tell({ kind: "reset", reason: "missed", position });
      }
      for (const { name, value } of gone)
        if ([...clauses.values()].some(({ members }) => members[name]?.includes(value)))
          transport.tell({ kind: "gone", member: name, value });
      if (beat && clauses.size > 0) transport.tell({ kind: "position", position });
    }
  }
}

const problemOf: Readonly<Record<EndReason, ProblemCode>> = {
  slow: "too-slow",
  memory: "too-slow",
  credentials: "unauthenticated",
  idle: "invalid-request",
  timeout: "too-slow",
  flood: "too-many-requests",
  shutdown: "shutting-down",
};
