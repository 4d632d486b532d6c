import type { Principal } from "../identity/principal.ts";
import type { Clause } from "./clause.ts";
import type { Subscriber, SubscriberOptions } from "./subscriber.ts";
import type { TopicSource } from "./topic-source.ts";
import type { EndReason } from "./transport.ts";

/**
 * Hands every point that any node has committed to those who have subscribed to it. What is asked of it takes effect
 * between two frames, in the order of asking, and is then told to the transport.
 */
export interface Live {
  /** The feature whose streams have this owner says what their points are. Streams of others are plain values. */
  register(owner: string, source: TopicSource): void;
  /**
   * Whether the features let the principal ask for this.
   * @throws Problem `not-found`, `forbidden`
   */
  check(principal: Principal, clause: Clause): Promise<void>;
  connect(options: SubscriberOptions): Subscriber;
  /**
   * Adds the clause under this name, or puts it in place of the one there.
   * @param after position of the last event the client has; what came after it is sent first, or `reset` is told
   */
  subscribe(subscriber: Subscriber, name: string, clause: Clause, after?: string): void;
  unsubscribe(subscriber: Subscriber, name: string): void;
  /** The same caller, who may now do more or less. */
  changeRights(subscriber: Subscriber, principal: Principal): void;
  /** The connection is gone. */
  leave(subscriber: Subscriber): void;
  /** Tells the client why, and closes the connection. */
  end(subscriber: Subscriber, reason: EndReason, detail: string): void;
  readonly subscribers: ReadonlySet<Subscriber>;
  /** How many the account has. */
  connectionsOf(principal: Principal): number;
  readonly isDraining: boolean;
  /** Ends all connections and takes no more. */
  drain(): void;
}
