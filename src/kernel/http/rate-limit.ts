import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import { Problem } from "../errors.ts";
import type { Clock } from "../time.ts";

export interface RateOptions {
  /** How many may come at once. */
  readonly capacity: number;
  /** How many are granted again per second. */
  readonly perSecond: number;
  /** How many callers are remembered; the longest unseen is forgotten first. */
  readonly maxKeys?: number;
  readonly clock: Clock;
}

export interface RateDecision {
  readonly allowed: boolean;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Seconds, rounded up: until one token is there (refused) or the bucket is full (allowed). */
  readonly resetSeconds: number;
}

interface Bucket {
  tokens: number;
  /** Milliseconds UTC of the last look. */
  seen: number;
}

/** A token bucket per caller, in bounded memory. */
export class RateLimit {
  readonly #options: RateOptions;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateOptions) {
    this.#options = options;
    this.#maxKeys = options.maxKeys ?? 10_000;
  }

  get capacity(): number {
    return this.#options.capacity;
  }

  /** Seconds in which a whole bucket fills. */
  get windowSeconds(): number {
    return Math.ceil(this.#options.capacity / this.#options.perSecond);
  }

  /** Takes `cost` tokens of the caller, or none when there are too few. */
  take(key: string, cost = 1): RateDecision {
    const { capacity, perSecond } = this.#options;
    const bucket = this.#refill(key);
    const allowed = bucket.tokens >= cost;
    if (allowed) bucket.tokens -= cost;
    const missing = allowed ? capacity - bucket.tokens : cost - bucket.tokens;
    return { allowed, remaining: Math.floor(bucket.tokens), resetSeconds: Math.ceil(missing / perSecond) };
  }

  #refill(key: string): Bucket {
    const { capacity, perSecond, clock } = this.#options;
    const now = clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: capacity, seen: now };
    const passed = Math.max(0, now - bucket.seen) / 1000;
    bucket.tokens = Math.min(capacity, bucket.tokens + passed * perSecond);
    bucket.seen = now;
    // Deleted and set again, the map's order is that of the last use.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#forgetOldest();
    return bucket;
  }

  #forgetOldest(): void {
    const oldest = this.#buckets.keys().next();
    if (!oldest.done) this.#buckets.delete(oldest.value);
  }
}

/** The principal, else the address. */
export const callerOf = (request: FastifyRequest): string =>
  request.principal ? `principal ${request.principal.id}` : `address ${request.ip}`;

/**
 * An onRequest hook for a route: refuses with 429, `RateLimit` headers and `Retry-After`. No route has one by
 * default: devices that deliver measurements in bursts are what this server is for.
 */
export function limitRate(limit: RateLimit, keyOf: (request: FastifyRequest) => string = callerOf) {
  return function rateLimitHook(
    request: FastifyRequest,
    reply: FastifyReply,
    done: HookHandlerDoneFunction,
  ): void {
    const { allowed, remaining, resetSeconds } = limit.take(keyOf(request));
    reply.header("ratelimit-policy", `"default";q=${limit.capacity};w=${limit.windowSeconds}`);
    reply.header("ratelimit", `"default";r=${remaining};t=${resetSeconds}`);
    if (allowed) {
      done();
      return;
    }
    done(
      new Problem("too-many-requests", {
        detail: `Too many requests; try again in ${resetSeconds} s.`,
        headers: { "retry-after": String(resetSeconds) },
      }),
    );
  };
}
