import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyRequest } from "fastify";
import { messageOf, Problem } from "../../kernel/errors.ts";
import type { CredentialCarrier } from "../../kernel/identity/identity.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Subscriber } from "../../kernel/live/subscriber.ts";

/** What expires by itself is noticed after this time at the latest. */
const everyMillis = 5000;
/** Changes of identity often come in groups. */
const soonMillis = 50;
const watched: ReadonlySet<string> = new Set(["user", "group", "token", "session"]);

/** What of the request proves who sent it, and nothing else of it. */
export function carrierOf({ headers, ip }: FastifyRequest): CredentialCarrier {
  const { authorization, cookie, "x-api-key": key } = headers;
  return {
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(cookie === undefined ? {} : { cookie }),
      ...(key === undefined ? {} : { "x-api-key": key }),
    },
    ip,
    method: "GET",
    routeOptions: { config: {} },
  };
}

/** Asks again whether the credentials of open connections still count, and what they allow. */
export class Callers implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #carriers = new Map<Subscriber, CredentialCarrier>();
  readonly #timer: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #soon: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#timer = setInterval(() => this.#check(), everyMillis).unref();
    this.#stopListening = kernel.changes.subscribe(({ resource }) => {
      if (watched.has(resource)) this.#soon ??= setTimeout(() => this.#check(), soonMillis).unref();
    });
  }

  watch(subscriber: Subscriber, carrier: CredentialCarrier): void {
    this.#carriers.set(subscriber, carrier);
  }

  forget(subscriber: Subscriber): void {
    this.#carriers.delete(subscriber);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#carriers.clear();
    await this.#running;
  }

  #check(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const [subscriber, carrier] of this.#carriers) {
        await this.#checkOne(subscriber, carrier);
        await nextTurn();
      }
    }
  }

  async #checkOne(subscriber: Subscriber, carrier: CredentialCarrier): Promise<void> {
    const { identity, live, log } = this.#kernel;
    try {
      const principal = await identity.authenticate(carrier);
      if (!principal || principal.id !== subscriber.principal.id) throw new Problem("unauthenticated");
      // The same object comes as long as nothing has changed.
      if (principal !== subscriber.principal) live.changeRights(subscriber, principal);
    } catch (error) {
      if (error instanceof Problem && error.status === 401)
        live.end(subscriber, "credentials", "The credentials do not count any more.");
      // The database is away: as for every other request, what was known goes on counting for a while.
      else log.debug({ error: messageOf(error) }, "credentials of a live connection could not be checked");
    }
  }
}
