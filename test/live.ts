import { once } from "node:events";
import { WebSocket } from "ws";
import { adminName, adminPassword, type Credentials, type TestApp } from "./app.ts";
import { until } from "./until.ts";

export interface LiveEvent {
  readonly id: string;
  readonly kind: string;
  readonly datapoint?: number;
  readonly connector?: string;
  readonly stream: number;
  readonly value: unknown;
  readonly timestamp: number;
}

export interface LiveProblem {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
}

/** A frame of the server, whichever it is. */
export interface LiveFrame {
  readonly events?: readonly LiveEvent[];
  readonly subscribed?: { readonly id: string; readonly last_event_id: string };
  readonly unsubscribed?: { readonly id: string };
  readonly reset?: { readonly reason: string; readonly id?: string; readonly last_event_id: string };
  readonly gone?: Readonly<Record<string, unknown>>;
  readonly position?: { readonly last_event_id: string };
  readonly problem?: LiveProblem;
  readonly id?: string;
}

interface ConnectOptions {
  readonly query?: string;
  /** Default the superuser; null: none. */
  readonly as?: Credentials | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

export const authorizationOf = (as: Credentials): string =>
  "token" in as
    ? `Bearer ${as.token}`
    : `Basic ${Buffer.from(`${as.name}:${as.password}`).toString("base64")}`;

const admin = { name: adminName, password: adminPassword };

const headersOf = ({ as = admin, headers }: ConnectOptions): Record<string, string> => ({
  ...(as === null ? {} : { authorization: authorizationOf(as) }),
  ...headers,
});

/** A client of `/ws/`. */
export class LiveSocket implements AsyncDisposable {
  readonly frames: LiveFrame[] = [];
  readonly events: LiveEvent[] = [];
  readonly socket: WebSocket;
  closed: { readonly code: number; readonly reason: string } | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as LiveFrame;
      this.frames.push(frame);
      this.events.push(...(frame.events ?? []));
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) };
    });
  }

  static async open(app: TestApp, options: ConnectOptions = {}): Promise<LiveSocket> {
    const { path = "/ws/", query = "" } = options;
    const url = `${app.url.replace("http", "ws")}${path}${query}`;
    const client = new LiveSocket(new WebSocket(url, { headers: headersOf(options) }));
    await once(client.socket, "open");
    return client;
  }

  /** The status and body of the answer that refuses the WebSocket. */
  static async refused(
    app: TestApp,
    options: ConnectOptions = {},
  ): Promise<{ status: number; body: string }> {
    const url = `${app.url.replace("http", "ws")}/ws/${options.query ?? ""}`;
    const socket = new WebSocket(url, { headers: headersOf(options) });
    return new Promise((resolve, reject) => {
      socket.on("open", () => reject(new Error("it was let in")));
      socket.on("error", () => undefined);
      socket.on("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (part) => {
          body += String(part);
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      });
    });
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Subscribes and waits until it counts; gives the position. */
  async subscribe(subscription: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const before = this.frames.length;
    this.send({ subscribe: subscription });
    const frame = await until("the subscription", () =>
      this.frames
        .slice(before)
        .find(({ subscribed, problem }) => problem || subscribed?.id === (subscription["id"] ?? "")),
    );
    if (frame.problem) throw new Error(`refused: ${frame.problem.detail}`);
    return frame.subscribed?.last_event_id ?? "";
  }

  /** The problem the message is answered with. */
  async problem(message: unknown): Promise<LiveProblem> {
    const before = this.frames.length;
    this.send(message);
    return until("the problem", () => this.frames.slice(before).find(({ problem }) => problem)?.problem);
  }

  /** The first so many events. */
  async take(count: number): Promise<readonly LiveEvent[]> {
    await until(
      `${count} events, of which there are ${this.events.length}`,
      () => this.events.length >= count,
    );
    return this.events.slice(0, count);
  }

  ended(): Promise<{ readonly code: number; readonly reason: string }> {
    return until("the end of the connection", () => this.closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
  }
}

/** An event of `/stream/` as it came. */
export interface SseEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string | undefined;
}

/** A client of `/stream/`. */
export class LiveStream implements AsyncDisposable {
  readonly received: SseEvent[] = [];
  readonly response: Response;
  ended = false;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    void this.#read();
  }

  static async open(app: TestApp, options: ConnectOptions = {}): Promise<LiveStream> {
    const abort = new AbortController();
    const response = await fetch(`${app.url}/stream/${options.query ?? ""}`, {
      headers: headersOf(options),
      signal: abort.signal,
    });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return new LiveStream(response, abort);
  }

  get events(): readonly LiveEvent[] {
    return this.received
      .filter(({ event, data }) => event === "" && data !== undefined)
      .map(({ data }) => JSON.parse(data ?? "") as LiveEvent);
  }

  /** The first event of that name. */
  named(name: string): Promise<SseEvent> {
    return until(`the event ${name}`, () => this.received.find(({ event }) => event === name));
  }

  async take(count: number): Promise<readonly LiveEvent[]> {
    await until(`${count} events`, () => this.events.length >= count);
    return this.events.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    try {
      for await (const part of this.response.body ?? []) {
        text += decoder.decode(part as Uint8Array, { stream: true });
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) this.#take(block);
      }
    } catch {
      // Ended by the test.
    }
    this.ended = true;
  }

  #take(block: string): void {
    const field = (name: string): string | undefined =>
      block
        .split("\n")
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
    this.received.push({ event: field("event") ?? "", id: field("id"), data: field("data") });
  }
}
