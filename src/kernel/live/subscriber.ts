import type { Principal } from "../identity/principal.ts";
import type { Audience, Taste } from "./audience.ts";
import type { Clause } from "./clause.ts";
import type { Form } from "./events.ts";
import type { Transport } from "./transport.ts";

export interface SubscriberOptions {
  readonly principal: Principal;
  readonly form: Form;
  /** See Taste. */
  readonly newest: boolean;
  readonly transport: Transport;
}

/** A connection with what it has subscribed to. The hub changes it, between two frames. */
export class Subscriber {
  readonly form: Form;
  readonly newest: boolean;
  readonly transport: Transport;
  principal: Principal;
  readonly clauses = new Map<string, Clause>();
  audience: Audience | undefined;
  ended = false;

  constructor({ principal, form, newest, transport }: SubscriberOptions) {
    this.principal = principal;
    this.form = form;
    this.newest = newest;
    this.transport = transport;
  }

  /** Undefined when it has asked for nothing. */
  get taste(): Taste | undefined {
    const { principal, form, newest } = this;
    return this.clauses.size === 0
      ? undefined
      : { clauses: [...this.clauses.values()], form, newest, principal };
  }
}
