import type { Principal } from "../identity/principal.ts";
import type { StreamId } from "../timeseries/types.ts";
import { type Clause, clauseKey, matches } from "./clause.ts";
import type { Event, Form } from "./events.ts";
import type { Described } from "./topic.ts";
import type { Transport } from "./transport.ts";

/** Whether the principal may see what is described. */
export type MayRead = (principal: Principal, described: Described) => boolean;

/** What all members of an audience have in common. */
export interface Taste {
  readonly clauses: readonly Clause[];
  readonly form: Form;
  /** Of each stream only the newest point since the last frame, and none that is older than what was sent. */
  readonly newest: boolean;
  readonly principal: Principal;
}

/**
 * Those who ask for the same and may see the same: a frame is made once for all of them. What a principal may see
 * depends on its rights, not on who it is (StreamOwner).
 */
export class Audience {
  readonly key: string;
  readonly taste: Taste;
  readonly members = new Set<{ readonly transport: Transport }>();
  /** Under which it is listed in the index. */
  readonly streams = new Set<StreamId>();
  readonly #mayRead: MayRead;
  readonly #queue: EventQueue;

  constructor(taste: Taste, mayRead: MayRead) {
    this.key = keyOf(taste);
    this.taste = taste;
    this.#mayRead = mayRead;
    this.#queue = eventQueue(taste.newest);
  }

  wants(described: Described): boolean {
    return (
      this.taste.clauses.some((clause) => matches(clause, described)) &&
      this.#mayRead(this.taste.principal, described)
    );
  }

  push(event: Event): void {
    this.#queue.push(event);
  }

  /** What waits, in the order of the log. */
  take(): readonly Event[] {
    return this.#queue.take();
  }
}

/** What waits for the next frame. */
interface EventQueue {
  push(event: Event): void;
  take(): readonly Event[];
}

class Everything implements EventQueue {
  #events: Event[] = [];

  push(event: Event): void {
    this.#events.push(event);
  }

  take(): readonly Event[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

class NewestOnly implements EventQueue {
  readonly #sent = new Map<StreamId, number>();
  #events = new Map<StreamId, Event>();

  push(event: Event): void {
    if (event.time < (this.#sent.get(event.stream) ?? Number.NEGATIVE_INFINITY)) return;
    this.#sent.set(event.stream, event.time);
    // Deleted first, so that the order is that of the log.
    this.#events.delete(event.stream);
    this.#events.set(event.stream, event);
  }

  take(): readonly Event[] {
    const events = [...this.#events.values()];
    this.#events = new Map();
    return events;
  }
}

export const eventQueue = (newest: boolean): EventQueue => (newest ? new NewestOnly() : new Everything());

export const keyOf = ({ clauses, form, newest, principal }: Taste): string =>
  [form, newest, rightsKey(principal), ...clauses.map(clauseKey).sort()].join("\n");

const rights = new WeakMap<Principal, string>();

/** The same for principals that may do the same. */
function rightsKey(principal: Principal): string {
  const known = rights.get(principal);
  if (known !== undefined) return known;
  const { id: _id, name: _name, via: _via, grants, ...rest } = principal;
  const names = grants.map(({ action, resource, object }) => `${action} ${resource} ${object}`).sort();
  const key = JSON.stringify([names, Object.entries(rest).sort()]);
  rights.set(principal, key);
  return key;
}
