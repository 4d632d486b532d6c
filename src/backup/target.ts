import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { messageOf } from "../kernel/errors.ts";

/** How to reach a server; can be handed to a thread. */
export interface TargetSettings {
  /** Without a final slash. */
  readonly url: string;
  /** Value of the header. */
  readonly authorization?: string;
  /** Certificates, in PEM, to trust besides the usual ones. */
  readonly ca?: string;
  /** Any certificate will do. */
  readonly insecure: boolean;
}

export interface Answer {
  readonly status: number;
  /** What was sent, unpacked. */
  readonly body: Readable;
}

/** The server cannot be reached, or stays too busy. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** An answer with another status than one that is of use. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(request: string, status: number, body: string) {
    super(`${request} answered ${status}: ${body.slice(0, 300).replace(/\s+/g, " ")}`);
    this.status = status;
  }
}

const attempts = 9;
const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** A server that has been asked for a long day may think for a while. */
const silenceMs = 300_000;
const busy: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** A running Busbar or BEMCom, over HTTP. Whatever can be repeated is, while it is busy or away. */
export class Target {
  readonly #settings: TargetSettings;
  readonly #agent: HttpAgent;

  constructor(settings: TargetSettings) {
    this.#settings = settings;
    const { ca, insecure } = settings;
    const secure = { rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }) };
    this.#agent = settings.url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true, ...secure })
      : new HttpAgent({ keepAlive: true });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The status of one request, which is not repeated. @throws Unreachable */
  async status(path: string): Promise<number> {
    try {
      const answer = await this.#once("GET", path, undefined);
      answer.resume();
      return answer.statusCode ?? 0;
    } catch (cause) {
      throw this.#unreachable(cause);
    }
  }

  /** @throws Unreachable; the body may break off, which is for the caller to repeat */
  async ask(method: string, path: string, body?: string): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once(method, path, body).catch((cause: unknown) => {
        if (attempt < attempts) return undefined;
        throw this.#unreachable(cause);
      });
      if (answer !== undefined && (attempt === attempts || !busy.has(answer.statusCode ?? 0)))
        return { status: answer.statusCode ?? 0, body: unpacked(answer) };
      answer?.resume();
      await delay(waitMs(attempt, answer?.headers["retry-after"]));
    }
  }

  /** The status and the parsed body, whatever they are; `undefined` for a body that is no JSON. */
  async json(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.ask(method, path, sent);
      const text = await textOf(answer.body).catch((cause: unknown) => {
        if (attempt === attempts) throw this.#unreachable(cause);
        return undefined;
      });
      if (text !== undefined) return { status: answer.status, body: parsed(text) };
      await delay(waitMs(attempt, undefined));
    }
  }

  /** @throws Refused unless the answer has that status */
  async expect<T>(status: number, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.json(method, path, body);
    if (answer.status === status) return answer.body as T;
    throw new Refused(
      `${method} ${this.#settings.url}${path}`,
      answer.status,
      JSON.stringify(answer.body) ?? "",
    );
  }

  #unreachable(cause: unknown): Unreachable {
    return new Unreachable(`${this.#settings.url} cannot be reached: ${messageOf(cause)}`, { cause });
  }

  #once(method: string, path: string, body: string | undefined): Promise<IncomingMessage> {
    const { url, authorization } = this.#settings;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const request = send(`${url}${path}`, {
      method,
      agent: this.#agent,
      headers: {
        accept: "application/json",
        "accept-encoding": "gzip",
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      },
    });
    request.setTimeout(silenceMs, () => request.destroy(new Error("no answer came in time")));
    request.on("error", reject).on("response", resolve).end(body);
    return promise;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function unpacked(answer: IncomingMessage): Readable {
  if (answer.headers["content-encoding"] !== "gzip") return answer;
  const gunzip = createGunzip();
  answer.on("error", (error) => gunzip.destroy(error));
  // `pipe` does not tell the reader that the connection broke.
  answer.on("close", () => {
    if (!answer.complete) gunzip.destroy(new Error("the connection broke off"));
  });
  return answer.pipe(gunzip);
}

/** As the server asks for; else longer from time to time, and never in step with others. */
function waitMs(attempt: number, retryAfter: string | undefined): number {
  const seconds = Number(retryAfter);
  if (retryAfter !== undefined && Number.isFinite(seconds)) return Math.min(Math.max(0, seconds), 600) * 1000;
  const until = retryAfter === undefined ? Number.NaN : Date.parse(retryAfter) - Date.now();
  if (!Number.isNaN(until)) return Math.min(Math.max(0, until), 600_000);
  return Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}
