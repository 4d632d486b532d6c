import type { RawData, WebSocket } from "ws";
import { Problem } from "../../kernel/errors.ts";
import { toProblem } from "../../kernel/http/problems.ts";
import { RateLimit } from "../../kernel/http/rate-limit.ts";
import { buildValidator } from "../../kernel/http/validation.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Subscriber } from "../../kernel/live/subscriber.ts";
import { type ClientMessage, clientMessage, maxIds, maxSubscriptions, type Subscription } from "./schemas.ts";
import { checkClause, clauseOf } from "./subscriptions.ts";
import type { WebSocketTransport } from "./websocket-transport.ts";

/** Messages a client may send at once, and per second. */
const burst = 200;
const perSecond = 20;

type Validate = (data: unknown) => true | { readonly error: Problem };
const validate = buildValidator({})({
  schema: clientMessage as object,
  httpPart: "body",
  method: "",
  url: "",
}) as Validate;

/** Reads what the client of a WebSocket sends, one message after another. */
export class WebSocketSession {
  readonly #kernel: Kernel;
  readonly #socket: WebSocket;
  readonly #transport: WebSocketTransport;
  readonly #subscriber: Subscriber;
  readonly #rate: RateLimit;
  /** Names and numbers of ids of what has been asked for. */
  readonly #asked = new Map<string, number>();
  #last: Promise<void> = Promise.resolve();

  constructor(kernel: Kernel, socket: WebSocket, transport: WebSocketTransport, subscriber: Subscriber) {
    this.#kernel = kernel;
    this.#socket = socket;
    this.#transport = transport;
    this.#subscriber = subscriber;
    this.#rate = new RateLimit({ capacity: burst, perSecond, clock: kernel.clock });
  }

  /** Whether it has asked for anything. */
  get isIdle(): boolean {
    return this.#asked.size === 0;
  }

  readonly receive = (data: RawData, isBinary: boolean): void => {
    if (this.#subscriber.ended) return;
    if (!this.#rate.take("").allowed) {
      this.#kernel.live.end(this.#subscriber, "flood", `More than ${perSecond} messages a second.`);
      return;
    }
    // Others wait in the socket until this one is done.
    this.#socket.pause();
    this.#last = this.#last.then(() => this.#handle(data, isBinary)).finally(() => this.#socket.resume());
  };

  async #handle(data: RawData, isBinary: boolean): Promise<void> {
    if (this.#subscriber.ended) return;
    let name: string | undefined;
    try {
      const message = read(data, isBinary);
      name = message.subscribe?.id ?? message.unsubscribe;
      if (message.subscribe) await this.#subscribe(message.subscribe);
      else if (message.unsubscribe !== undefined) this.#unsubscribe(message.unsubscribe);
    } catch (error) {
      const problem = toProblem(error);
      if (problem.code === "internal") this.#kernel.log.error({ err: error }, "a live message failed");
      this.#transport.refuse(problem, name);
    }
  }

  async #subscribe(subscription: Subscription): Promise<void> {
    const { live } = this.#kernel;
    const clause = clauseOf(subscription);
    const name = subscription.id ?? "";
    const ids = Object.values(clause.members).flat().length + (clause.streams?.length ?? 0);
    this.#checkRoom(name, ids);
    await checkClause(this.#kernel, this.#subscriber.principal, clause);
    this.#asked.set(name, ids);
    live.subscribe(this.#subscriber, name, clause, subscription.last_event_id);
  }

  #unsubscribe(name: string): void {
    if (!this.#asked.delete(name))
      throw new Problem("not-found", {
        detail: `unsubscribe: There is no subscription ${JSON.stringify(name)}.`,
      });
    this.#kernel.live.unsubscribe(this.#subscriber, name);
  }

  #checkRoom(name: string, ids: number): void {
    if (!this.#asked.has(name) && this.#asked.size >= maxSubscriptions)
      throw new Problem("too-many-requests", {
        detail: `There are ${maxSubscriptions} subscriptions on this connection already.`,
      });
    let sum = ids;
    for (const [other, count] of this.#asked) if (other !== name) sum += count;
    if (sum > maxIds)
      throw new Problem("too-many-requests", {
        detail: `All subscriptions of a connection together may name ${maxIds} things, not ${sum}.`,
      });
  }
}

/** @throws Problem `invalid-json`, `invalid-request` */
function read(data: RawData, isBinary: boolean): ClientMessage {
  if (isBinary) throw new Problem("invalid-request", { detail: "Send text frames: this one is binary." });
  const message = parse(String(data));
  const checked = validate(message);
  if (checked !== true) throw checked.error;
  return message as ClientMessage;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("invalid-json", { detail: "The message is not JSON." });
  }
}
