import { connect, createServer, type Socket } from "node:net";
import { type Packet, parser } from "mqtt-packet";
import { portOf } from "./port.ts";

export interface Tap extends AsyncDisposable {
  readonly port: number;
  /** Packets of the clients, as they passed, over all connections. */
  readonly sent: readonly Packet[];
  /** How many chunks the clients wrote that held a PUBACK. */
  readonly acknowledgingWrites: number;
  /** Resets all connections. */
  cut(): void;
}

/** Stands between a client and its broker and sees what passes. */
export async function startTap(brokerPort: number, protocolVersion: 4 | 5 = 5): Promise<Tap> {
  const sent: Packet[] = [];
  const sockets = new Set<Socket>();
  let acknowledgingWrites = 0;
  const server = createServer((client) => {
    const broker = connect(brokerPort, "127.0.0.1");
    const packets = parser({ protocolVersion });
    packets.on("packet", (packet) => sent.push(packet));
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk: Buffer) => {
        const before = sent.length;
        if (from === client) packets.parse(chunk);
        if (sent.slice(before).some((packet) => packet.cmd === "puback")) acknowledgingWrites += 1;
        to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const port = await portOf(server);
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port,
    sent,
    get acknowledgingWrites() {
      return acknowledgingWrites;
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
    },
  };
}
