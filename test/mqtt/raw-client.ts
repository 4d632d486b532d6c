import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { generate, type IConnackPacket, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { until } from "../until.ts";

/** A client that shows every packet and does nothing by itself (it does not even acknowledge). */
export class RawClient implements AsyncDisposable {
  readonly received: Packet[] = [];
  readonly #socket: Socket;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const packets = parser({ protocolVersion: 4 });
    packets.on("packet", (packet) => this.received.push(packet));
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => packets.parse(chunk));
    socket.on("error", () => {
      // The close that follows is what the tests look at.
    });
    socket.on("close", () => {
      this.#closed = true;
    });
  }

  /** Speaks MQTT 3.1.1; clean session unless told otherwise. */
  static async connect(
    port: number,
    options: Partial<IConnectPacket> = {},
    host = "127.0.0.1",
  ): Promise<RawClient> {
    const socket = connect(port, host);
    await once(socket, "connect");
    const client = new RawClient(socket);
    client.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clientId: "raw",
      clean: true,
      keepalive: 60,
      ...options,
    });
    return client;
  }

  get closed(): boolean {
    return this.#closed;
  }

  connack(): Promise<IConnackPacket> {
    return until("CONNACK", () => this.received.find((packet) => packet.cmd === "connack"));
  }

  of<C extends Packet["cmd"]>(command: C): readonly Extract<Packet, { cmd: C }>[] {
    return this.received.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === command);
  }

  send(...packets: readonly Packet[]): void {
    this.#socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
  }

  publish(
    topic: string,
    payload: string,
    more: { qos?: 0 | 1 | 2; retain?: boolean; messageId?: number } = {},
  ): void {
    const { qos = 1, retain = false, messageId = 1 } = more;
    this.send({ cmd: "publish", topic, payload, qos, retain, dup: false, ...(qos > 0 ? { messageId } : {}) });
  }

  async subscribe(filter: string, qos: 0 | 1 | 2 = 1): Promise<number> {
    const before = this.of("suback").length;
    this.send({ cmd: "subscribe", messageId: 7, subscriptions: [{ topic: filter, qos }] });
    const suback = await until("SUBACK", () => this.of("suback")[before]);
    return Number(suback.granted[0]);
  }

  /** Cuts the connection, as a crash does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
