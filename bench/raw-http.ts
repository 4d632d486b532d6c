import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly bytes: number;
}

const headEnd = Buffer.from("\r\n\r\n");
const lastChunk = Buffer.from("0\r\n\r\n");

/** One keep-alive connection that costs the load generator as little as possible: one request at a time, bodies are only counted. */
export class RawConnection {
  readonly #socket: Socket;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Of the whole answer; undefined until its head is there, NaN when only its end will tell. */
  #expected: number | undefined;
  #status = 0;
  #done: { resolve(answer: RawAnswer): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#done?.reject(error));
    socket.on("close", () => this.#done?.reject(new Error("the server closed the connection")));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  request(message: Buffer): Promise<RawAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
    this.#done = { resolve, reject };
    this.#socket.write(message);
    return promise;
  }

  close(): void {
    this.#done = undefined;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#expected === undefined) this.#readHead();
    if (this.#expected === undefined) return;
    const whole = Number.isNaN(this.#expected) ? this.#endsWithLastChunk() : this.#bytes >= this.#expected;
    if (!whole) return;
    const answer = { status: this.#status, bytes: this.#bytes };
    this.#parts = [];
    this.#bytes = 0;
    this.#expected = undefined;
    const done = this.#done;
    this.#done = undefined;
    done?.resolve(answer);
  }

  #readHead(): void {
    const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    const end = bytes?.indexOf(headEnd) ?? -1;
    if (bytes === undefined || end < 0) return;
    const head = bytes.toString("latin1", 0, end);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const bodyless = this.#status === 204 || this.#status === 304;
    if (length === undefined && !bodyless) this.#expected = Number.NaN;
    else this.#expected = end + headEnd.length + Number(length ?? 0);
  }

  #endsWithLastChunk(): boolean {
    const last = this.#parts.at(-1);
    const before = this.#parts.at(-2);
    const tail = Buffer.concat([
      before?.subarray(-lastChunk.length) ?? Buffer.alloc(0),
      last ?? Buffer.alloc(0),
    ]);
    return tail.subarray(-lastChunk.length).equals(lastChunk);
  }
}

export function requestOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Buffer {
  const lines = Object.entries({
    host: "127.0.0.1",
    ...headers,
    ...(body === undefined
      ? {}
      : { "content-type": "application/json", "content-length": `${Buffer.byteLength(body)}` }),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`);
}
