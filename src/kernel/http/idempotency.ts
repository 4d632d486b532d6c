import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import { invalidField, Problem } from "../errors.ts";
import type { Clock } from "../time.ts";
import type { Http } from "./http.ts";
import { callerOf } from "./rate-limit.ts";

/** An answer as it is given again. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** Where answers to keyed requests are kept. `begin` decides who may run; the others wait for its answer. */
export interface IdempotencyStore {
  /**
   * Undefined: run it, then call `settle`. Otherwise what the earlier request with this key was, and its
   * answer.
   */
  begin(key: string, fingerprint: string): EarlierRequest | undefined;
  /** Keeps the answer, or (without one) forgets the request so that it can be tried again. */
  settle(key: string, answer: StoredAnswer | undefined): void;
}

export interface EarlierRequest {
  readonly fingerprint: string;
  /** Undefined when it came to no answer worth keeping. */
  readonly answer: Promise<StoredAnswer | undefined>;
}

const dayMillis = 86_400_000;
const maxAnswers = 10_000;
const maxBytes = 64 * 1024 * 1024;
/** Larger answers are not kept: a repeated request runs again. */
const maxAnswerBytes = 256 * 1024;
const keptHeaders = ["content-type", "location", "etag", "link", "busbar-command"] as const;

interface Entry extends EarlierRequest {
  readonly since: number;
  bytes: number;
  readonly resolve: (answer: StoredAnswer | undefined) => void;
}

/** In this process's memory, for 24 hours, at most 10,000 answers or 64 MiB; the oldest go first. */
export class MemoryIdempotency implements IdempotencyStore {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(key: string, fingerprint: string): EarlierRequest | undefined {
    this.#forgetOld();
    const earlier = this.#entries.get(key);
    if (earlier) return earlier;
    const { promise, resolve } = Promise.withResolvers<StoredAnswer | undefined>();
    this.#entries.set(key, { fingerprint, answer: promise, since: this.#clock.now(), bytes: 0, resolve });
    return undefined;
  }

  settle(key: string, answer: StoredAnswer | undefined): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    if (answer) {
      entry.bytes = answer.body.length;
      this.#bytes += entry.bytes;
    } else {
      this.#entries.delete(key);
      this.#bytes -= entry.bytes;
    }
    entry.resolve(answer);
  }

  /** Insertion order is the order of age. */
  #forgetOld(): void {
    const limit = this.#clock.now() - dayMillis;
    for (const [key, entry] of this.#entries) {
      if (entry.since >= limit && this.#entries.size < maxAnswers && this.#bytes < maxBytes) return;
      this.settle(key, undefined);
    }
  }
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set while this request runs for an Idempotency-Key. */
    idempotencyKey: string | undefined;
  }
}

/** Makes every POST route honour `Idempotency-Key`, unless its `config.idempotent` is false. */
export function installIdempotency(
  app: Http,
  clock: Clock,
  store: IdempotencyStore = new MemoryIdempotency(clock),
): void {
  app.decorateRequest("idempotencyKey", undefined);
  const preHandler = createReplay(store);
  // For the whole app, not the route: route hooks run later, when the answer may be compressed already.
  app.addHook("onSend", createKeeper(store));
  app.addHook("onResponse", createRelease(store));
  app.addHook("onRoute", (route) => {
    const { idempotent, multipart } = route.config ?? {};
    if (![route.method].flat().includes("POST") || idempotent === false || multipart === "stream") return;
    route.preHandler = [preHandler, ...[route.preHandler ?? []].flat()];
  });
}

function createReplay(store: IdempotencyStore) {
  return function replay(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const given = request.headers["idempotency-key"];
    if (given === undefined || request.method !== "POST") {
      done();
      return;
    }
    if (typeof given !== "string" || !/^[\x21-\x7e]{1,255}$/.test(given)) {
      done(invalidField("Idempotency-Key", "Must be 1 to 255 visible ASCII characters."));
      return;
    }
    const key = JSON.stringify([callerOf(request), request.routeOptions.url, given]);
    const fingerprint = fingerprintOf(request);
    const earlier = store.begin(key, fingerprint);
    if (!earlier) {
      request.idempotencyKey = key;
      done();
      return;
    }
    if (earlier.fingerprint !== fingerprint) {
      done(
        new Problem("idempotency-mismatch", { detail: "This key came with another path or body before." }),
      );
      return;
    }
    earlier.answer.then((answer) => {
      if (answer) {
        reply
          .code(answer.status)
          .headers(answer.headers)
          .header("idempotency-replayed", "true")
          .send(answer.body);
      } else {
        done(new Problem("conflict", { detail: "The earlier request with this key failed; send it again." }));
      }
    }, done);
  };
}

const fingerprintOf = (request: FastifyRequest): string =>
  createHash("sha256")
    .update(`${request.url}\n${JSON.stringify(request.body) ?? ""}`)
    .digest("base64url");

function createKeeper(store: IdempotencyStore) {
  return function keep(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: Error | null, payload?: unknown) => void,
  ): void {
    const key = request.idempotencyKey;
    if (key !== undefined && isWorthKeeping(reply.statusCode, payload)) {
      request.idempotencyKey = undefined;
      const headers = keptHeaders.flatMap((name) => {
        const value = reply.getHeader(name);
        return value === undefined ? [] : [[name, String(value)] as const];
      });
      store.settle(key, {
        status: reply.statusCode,
        headers: Object.fromEntries(headers),
        body: payload ?? "",
      });
    }
    done(null, payload);
  };
}

/** A server fault may be over next time: such a request should run again. */
function isWorthKeeping(status: number, payload: unknown): payload is string | Buffer | undefined {
  if (status >= 500 || status === 401 || status === 429) return false;
  if (payload === undefined || payload === null) return true;
  return (typeof payload === "string" || Buffer.isBuffer(payload)) && payload.length <= maxAnswerBytes;
}

/** Whatever ended without an answer worth keeping (a fault, a lost connection) lets the key go. */
function createRelease(store: IdempotencyStore) {
  return function release(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
    if (request.idempotencyKey !== undefined) store.settle(request.idempotencyKey, undefined);
    request.idempotencyKey = undefined;
    done();
  };
}
