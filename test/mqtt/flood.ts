import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface FloodMessage {
  readonly topic: string;
  /** ASCII. */
  readonly payload: string;
}

export interface FloodOptions {
  readonly port: number;
  readonly count: number;
  /** May be asked twice for the same index, when a message has to be sent again. */
  messageOf(index: number): FloodMessage;
  /** Messages without acknowledgement at a time; default 1000. */
  readonly window?: number;
  /** Messages a second; as fast as possible by default. */
  readonly rate?: number;
  /** Connects again when the connection breaks, and sends again what was not acknowledged; else that is an error. */
  readonly resend?: boolean;
}

const connectPacket = Buffer.from([
  ...[0x10, 17, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0],
  ...[0, 5, ...Buffer.from("flood")],
]);
const disconnectPacket = Buffer.from([0xe0, 0]);
/** CONNACK and PUBACK of MQTT 3.1.1 have the same size. */
const answerBytes = 4;
const lastPacketId = 65_535;
const paceMs = 2;

/** A quick QoS 1 publisher: writes whole batches of packets and only counts the acknowledgements. */
export class Flood {
  /** Messages acknowledged so far, in the order sent. */
  acknowledged = 0;
  sent = 0;
  connections = 0;
  /** performance.now() of the first write. */
  startedAt = 0;
  readonly #options: FloodOptions;
  readonly #window: number;
  readonly #batch = Buffer.allocUnsafe(256 * 1024);
  #connected = false;
  #full = false;
  #rest: Buffer = Buffer.alloc(0);
  #paceTimer: NodeJS.Timeout | undefined;

  constructor(options: FloodOptions) {
    this.#options = options;
    this.#window = options.window ?? 1000;
  }

  /** Resolves when every message is acknowledged. */
  async run(): Promise<void> {
    try {
      while (this.acknowledged < this.#options.count) {
        const failure = await this.#connection();
        if (this.acknowledged >= this.#options.count) return;
        if (!this.#options.resend) throw failure ?? new Error("the broker closed the connection");
        await delay(20);
      }
    } finally {
      clearTimeout(this.#paceTimer);
    }
  }

  /** One connection, to its end; gives what broke it. */
  #connection(): Promise<Error | undefined> {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    const socket = connect(this.#options.port, "127.0.0.1");
    let failure: Error | undefined;
    this.#connected = false;
    this.#full = false;
    this.#rest = Buffer.alloc(0);
    this.sent = this.acknowledged;
    this.connections += 1;
    socket.setNoDelay(true);
    socket.on("connect", () => socket.write(connectPacket));
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#receive(socket, chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("drain", () => {
      this.#full = false;
      this.#send(socket);
    });
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => {
      clearTimeout(this.#paceTimer);
      this.#paceTimer = undefined;
      resolve(failure);
    });
    return promise;
  }

  #receive(socket: Socket, chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    for (; at + answerBytes <= bytes.length; at += answerBytes) this.#answer(bytes, at);
    this.#rest = bytes.subarray(at);
    if (this.acknowledged >= this.#options.count) socket.end(disconnectPacket);
    else this.#send(socket);
  }

  #answer(bytes: Buffer, at: number): void {
    const kind = bytes[at];
    if (kind === 0x20 && bytes[at + 3] === 0) {
      this.#connected = true;
      return;
    }
    const expected = (this.acknowledged % lastPacketId) + 1;
    if (kind !== 0x40 || bytes.readUInt16BE(at + 2) !== expected)
      throw new Error(
        `expected the acknowledgement ${expected}: ${bytes.toString("hex", at, at + answerBytes)}`,
      );
    this.acknowledged += 1;
  }

  #send(socket: Socket): void {
    if (!this.#connected || this.#full || socket.destroyed) return;
    if (this.startedAt === 0) this.startedAt = performance.now();
    const { count } = this.#options;
    for (;;) {
      const most = Math.min(count, this.acknowledged + this.#window, this.#due());
      if (this.sent >= most) break;
      let length = 0;
      while (this.sent < most && length < this.#batch.length - 2048) {
        length = this.#write(this.sent, length);
        this.sent += 1;
      }
      if (!socket.write(Buffer.from(this.#batch.subarray(0, length)))) {
        this.#full = true;
        return;
      }
    }
    // Else the window is full, and the next acknowledgement comes here again.
    if (this.sent < count && this.sent < this.acknowledged + this.#window) this.#pace(socket);
  }

  /** How many may have been sent by now. */
  #due(): number {
    const { rate } = this.#options;
    if (rate === undefined) return Number.POSITIVE_INFINITY;
    return Math.floor(((performance.now() - this.startedAt) * rate) / 1000);
  }

  #pace(socket: Socket): void {
    this.#paceTimer ??= setTimeout(() => {
      this.#paceTimer = undefined;
      this.#send(socket);
    }, paceMs);
  }

  /** Puts the PUBLISH packet into the batch; gives where the next one begins. */
  #write(index: number, from: number): number {
    const { topic, payload } = this.#options.messageOf(index);
    const batch = this.#batch;
    let at = from;
    batch[at++] = 0x32;
    let remaining = 2 + topic.length + 2 + payload.length;
    do {
      const low = remaining & 127;
      remaining >>= 7;
      batch[at++] = remaining > 0 ? low | 128 : low;
    } while (remaining > 0);
    at = batch.writeUInt16BE(topic.length, at);
    at += batch.write(topic, at, "latin1");
    at = batch.writeUInt16BE((index % lastPacketId) + 1, at);
    return at + batch.write(payload, at, "latin1");
  }
}
