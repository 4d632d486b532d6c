import { Turn } from "../timeseries/turn.ts";
import type { MayRead } from "./audience.ts";
import type { Audiences } from "./audiences.ts";
import { matches } from "./clause.ts";
import type { Directory } from "./directory.ts";
import type { Distribution } from "./distribution.ts";
import type { Event } from "./events.ts";
import { countOne, type LiveFigures } from "./figures.ts";
import { isUpTo, type Position, parsePosition, positionText } from "./position.ts";
import type { RecentRows } from "./recent-rows.ts";
import { lookUp, replay } from "./replay.ts";
import type { Request, SubscribeRequest } from "./requests.ts";
import type { ResetReason } from "./transport.ts";

export interface AdmissionParts {
  readonly rows: RecentRows;
  readonly directory: Directory;
  readonly audiences: Audiences;
  readonly distribution: Distribution;
  readonly figures: LiveFigures;
  readonly mayRead: MayRead;
  /** What may wait for one client. */
  readonly maxBacklog: number;
}

/** Events of one frame of a replay. */
const eventsPerFrame = 500;

type Outcome = "later" | ResetReason | readonly Event[];

/** Does what connections ask for, while nothing is on its way to any audience. */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /**
   * @param onError a stream could not be looked up
   * @returns those that have to wait until this node knows more
   */
  async admit(requests: readonly Request[], onError: (error: unknown) => void): Promise<readonly Request[]> {
    const later: Request[] = [];
    const failed = (error: unknown): false => {
      onError(error);
      return false;
    };
    const turn = new Turn();
    // Many who come back after the same restart ask for the same.
    const replays = new Map<string, readonly Event[] | ResetReason>();
    for (const request of requests) {
      if (request.subscriber.ended) continue;
      if (later.some(({ subscriber }) => subscriber === request.subscriber)) later.push(request);
      else if (request.kind !== "subscribe") this.#change(request);
      else if (!(await this.#subscribe(request, replays).catch(failed))) later.push(request);
      if (turn.isOver) await turn.next();
    }
    return later;
  }

  #change(request: Exclude<Request, SubscribeRequest>): void {
    const { subscriber } = request;
    if (request.kind === "rights") subscriber.principal = request.principal;
    else subscriber.clauses.delete(request.name);
    this.#parts.audiences.seat(subscriber, subscriber.taste);
    if (request.kind === "unsubscribe")
      subscriber.transport.tell({ kind: "unsubscribed", subscription: request.name });
  }

  async #subscribe(
    request: SubscribeRequest,
    replays: Map<string, readonly Event[] | ResetReason>,
  ): Promise<boolean> {
    const { subscriber, name, clause, after } = request;
    const missed = after === undefined ? [] : await this.#missed(request, after, replays);
    if (missed === "later") return false;
    // It may have gone while streams were looked up.
    if (subscriber.ended) return true;
    const { transport } = subscriber;
    const position = positionText(this.#parts.distribution.position());
    if (typeof missed === "string") {
      countOne(this.#parts.figures.resets, missed);
      const since = after === undefined ? {} : { since: after };
      transport.tell({ kind: "reset", reason: missed, ...since, subscription: name, position });
    } else
      for (let from = 0; from < missed.length; from += eventsPerFrame)
        transport.send(transport.wire.frame(missed.slice(from, from + eventsPerFrame)));
    subscriber.clauses.set(name, clause);
    this.#parts.audiences.seat(subscriber, subscriber.taste);
    transport.tell({ kind: "subscribed", subscription: name, position });
    return true;
  }

  async #missed(
    request: SubscribeRequest,
    text: string,
    replays: Map<string, readonly Event[] | ResetReason>,
  ): Promise<Outcome> {
    const { rows, distribution, audiences } = this.#parts;
    const after = parsePosition(text, rows.heads.length);
    if (!after) return "unknown-position";
    if (!isUpTo(after, distribution.position()))
      return performance.now() < request.until ? "later" : "unknown-position";
    const { subscriber, clause } = request;
    const key = audiences.keyFor(subscriber, clause) + text;
    const known = replays.get(key);
    if (known) return known;
    const found = await this.#replay(request, after);
    replays.set(key, found);
    return found;
  }

  async #replay(
    { subscriber, clause }: SubscribeRequest,
    after: Position,
  ): Promise<readonly Event[] | ResetReason> {
    const { rows, directory, distribution, mayRead, maxBacklog } = this.#parts;
    const missed = distribution.since(after);
    if (!rows.covers(after)) return "too-old";
    await lookUp(rows, directory, missed);
    // Rows may have been dropped meanwhile; from here on nothing comes in between.
    if (!rows.covers(after)) return "too-old";
    const { principal, form, newest } = subscriber;
    const events = replay(rows, directory, missed, {
      wants: (described) => matches(clause, described) && mayRead(principal, described),
      form,
      newest,
      maxBytes: maxBacklog,
    });
    return events ?? "too-much";
  }
}
