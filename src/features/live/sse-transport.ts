import type { ServerResponse } from "node:http";
import type { Problem } from "../../kernel/errors.ts";
import { problemBody } from "../../kernel/http/problems.ts";
import type { EndReason, Notice, Transport, Wire } from "../../kernel/live/transport.ts";
import { noticeBody } from "./notices.ts";

/** One write for all events; each is an event of its own, with its id, to the client. */
export const sseWire: Wire = {
  name: "sse",
  frame: (events) => Buffer.from(events.map(({ id, json }) => `id: ${id}\ndata: ${json}\n\n`).join("")),
};

/** How long a client that takes nothing may keep the last words waiting. */
const closeMillis = 5000;

/** The hub's side of a stream of server-sent events. */
export class SseTransport implements Transport {
  readonly wire = sseWire;
  readonly #response: ServerResponse;
  readonly #requestId: string;

  constructor(response: ServerResponse, requestId: string) {
    this.#response = response;
    this.#requestId = requestId;
  }

  get backlog(): number {
    return this.#response.writableLength;
  }

  send(frame: Uint8Array): void {
    if (!this.#response.writableEnded) this.#response.write(frame);
  }

  /** With the position as the id, which an EventSource sends when it comes back. */
  tell(notice: Notice): void {
    const id = "position" in notice ? `id: ${notice.position}\n` : "";
    // An id without data moves the client's place, and is no event.
    if (notice.kind === "position") this.send(Buffer.from(`${id}\n`));
    else
      this.send(Buffer.from(`event: ${notice.kind}\n${id}data: ${JSON.stringify(noticeBody(notice))}\n\n`));
  }

  end(reason: EndReason, problem: Problem): void {
    const response = this.#response;
    if (response.writableEnded) return;
    const event = reason === "shutdown" ? "bye" : "dropped";
    response.end(`event: ${event}\ndata: ${problemBody(problem, this.#requestId, false)}\n\n`);
    const cut = setTimeout(() => response.destroy(), closeMillis).unref();
    response.once("close", () => clearTimeout(cut));
  }
}
