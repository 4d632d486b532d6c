import { createServer, type Server, type Socket } from "node:net";
import { generate, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { until } from "../until.ts";
import { portOf } from "./port.ts";

/**
 * An MQTT 5 broker of one client that keeps its hands on every packet: it acknowledges, holds back, cuts the connection
 * or is away, as the test says. What the client publishes comes back to it, as with any broker it has subscribed at.
 */
export class ScriptedBroker implements AsyncDisposable {
  readonly port: number;
  /** What reached it, oldest first. */
  readonly published: IPublishPacket[] = [];
  /** `hold`: no acknowledgement and no echo before `release`; `cut`: the next publication ends the connection. */
  mode: "normal" | "hold" | "cut" = "normal";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  readonly #unacknowledged = new Map<number, () => void>();
  #lastId = 0;

  readonly #receiveMaximum: number;

  private constructor(server: Server, port: number, receiveMaximum: number) {
    this.#server = server;
    this.port = port;
    this.#receiveMaximum = receiveMaximum;
  }

  /** @param receiveMaximum how many publications it wants on their way at a time */
  static async start(receiveMaximum = 20): Promise<ScriptedBroker> {
    const server = createServer({ noDelay: true });
    const broker = new ScriptedBroker(server, await portOf(server), receiveMaximum);
    server.on("connection", (socket) => broker.#accept(socket));
    return broker;
  }

  /** Ends all connections, and refuses new ones until `arise`. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#held.length = 0;
    await closed;
  }

  async arise(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
  }

  /** Acknowledges what was held back. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  /** Delivers somebody else's message; resolves when the client has acknowledged it. */
  async deliver(topic: string, payload: object): Promise<void> {
    const socket = await until("a client", () => [...this.#sockets][0]);
    await new Promise<void>((resolve) => this.#send(socket, topic, JSON.stringify(payload), resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {
      // The close that follows is all there is to it.
    });
    const packets = parser({ protocolVersion: 5 });
    packets.on("packet", (packet: Packet) => this.#take(socket, packet));
    socket.on("data", (chunk: Buffer) => packets.parse(chunk));
  }

  #take(socket: Socket, packet: Packet): void {
    if (packet.cmd === "connect")
      answer(socket, {
        cmd: "connack",
        reasonCode: 0,
        sessionPresent: false,
        properties: { receiveMaximum: this.#receiveMaximum },
      });
    else if (packet.cmd === "subscribe")
      answer(socket, {
        cmd: "suback",
        messageId: packet.messageId ?? 0,
        granted: packet.subscriptions.map(() => 1),
      });
    else if (packet.cmd === "unsubscribe")
      answer(socket, {
        cmd: "unsuback",
        messageId: packet.messageId ?? 0,
        granted: packet.unsubscriptions.map(() => 0),
      });
    else if (packet.cmd === "pingreq") answer(socket, { cmd: "pingresp" });
    else if (packet.cmd === "pubrel") answer(socket, { cmd: "pubcomp", messageId: packet.messageId ?? 0 });
    else if (packet.cmd === "publish") this.#publish(socket, packet);
    else if (packet.cmd === "puback") this.#acknowledged(packet.messageId ?? 0);
  }

  #publish(socket: Socket, packet: IPublishPacket): void {
    const { topic, payload, qos, messageId = 0 } = packet;
    if (qos === 2) {
      // Maps: of no interest here.
      answer(socket, { cmd: "pubrec", messageId });
      return;
    }
    this.published.push(packet);
    if (this.mode === "cut") {
      this.mode = "normal";
      socket.destroy();
      return;
    }
    const reply = (): void => {
      this.#send(socket, topic, payload.toString(), () => {});
      answer(socket, { cmd: "puback", messageId });
    };
    if (this.mode === "hold") this.#held.push(reply);
    else reply();
  }

  #send(socket: Socket, topic: string, payload: string, acknowledged: () => void): void {
    this.#lastId = (this.#lastId % 65_535) + 1;
    this.#unacknowledged.set(this.#lastId, acknowledged);
    answer(socket, {
      cmd: "publish",
      topic,
      payload,
      qos: 1,
      retain: false,
      dup: false,
      messageId: this.#lastId,
    });
  }

  #acknowledged(messageId: number): void {
    this.#unacknowledged.get(messageId)?.();
    this.#unacknowledged.delete(messageId);
  }
}

const answer = (socket: Socket, packet: Packet): void => {
  socket.write(generate(packet, { protocolVersion: 5 }));
};
