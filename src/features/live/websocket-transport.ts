import type { WebSocket } from "ws";
import type { Problem } from "../../kernel/errors.ts";
import { problemBody } from "../../kernel/http/problems.ts";
import type { EndReason, Notice, Transport, Wire } from "../../kernel/live/transport.ts";
import { noticeBody } from "./notices.ts";

/** One text frame for all events. */
export const webSocketWire: Wire = {
  name: "websocket",
  frame: (events) => Buffer.from(`{"events":[${events.map(({ json }) => json).join(",")}]}`),
};

/** RFC 6455, 7.4.1, and 1013 of its registry: try again later. */
const closeCodes: Readonly<Record<EndReason, number>> = {
  slow: 1013,
  memory: 1013,
  credentials: 1008,
  idle: 1008,
  flood: 1008,
  timeout: 1001,
  shutdown: 1001,
};

/** A close frame has room for 123 bytes of reason. */
const reasonBytes = 123;

/** The hub's side of a WebSocket. */
export class WebSocketTransport implements Transport {
  readonly wire = webSocketWire;
  readonly #socket: WebSocket;
  readonly #requestId: string;

  constructor(socket: WebSocket, requestId: string) {
    this.#socket = socket;
    this.#requestId = requestId;
  }

  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame, { binary: false });
  }

  tell(notice: Notice): void {
    this.sendObject({ [notice.kind]: noticeBody(notice) });
  }

  /** @param name of the subscription it is about */
  refuse(problem: Problem, name?: string): void {
    const body = problemBody(problem, this.#requestId, false);
    const id = name === undefined ? "" : `,"id":${JSON.stringify(name)}`;
    this.send(Buffer.from(`{"problem":${body}${id}}`));
  }

  end(reason: EndReason, problem: Problem): void {
    this.refuse(problem);
    this.#socket.close(closeCodes[reason], problem.message.slice(0, reasonBytes));
  }

  sendObject(object: object): void {
    this.send(Buffer.from(JSON.stringify(object)));
  }
}
