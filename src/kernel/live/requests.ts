import type { Principal } from "../identity/principal.ts";
import type { Clause } from "./clause.ts";
import type { Subscriber } from "./subscriber.ts";

/** What a connection asks of the hub; done between two frames, in the order of asking. */
export type Request =
  | {
      readonly kind: "subscribe";
      readonly subscriber: Subscriber;
      readonly name: string;
      readonly clause: Clause;
      readonly after?: string;
      /** By `performance.now()`: how long it may wait for this node to come as far as `after`. */
      readonly until: number;
    }
  | { readonly kind: "unsubscribe"; readonly subscriber: Subscriber; readonly name: string }
  | { readonly kind: "rights"; readonly subscriber: Subscriber; readonly principal: Principal };

export type SubscribeRequest = Request & { readonly kind: "subscribe" };
