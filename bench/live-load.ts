/** Subscribers of live push and the publisher of what they hear, in one process, so that one clock times both. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { Flood } from "../test/mqtt/flood.ts";
import { answer, taskOf } from "./child.ts";
import { percentile } from "./figures.ts";

export interface LiveTask {
  readonly port: number;
  readonly mqttPort: number;
  readonly authorization: string;
  readonly connector: string;
  readonly ids: readonly number[];
  readonly subscribers: number;
  /** What each subscribes to: all datapoints, or one of them in turn. */
  readonly each: "all" | "one";
  readonly rate: number;
  readonly seconds: number;
  /** Every how many connections one is read in full; the others only count their bytes. */
  readonly every: number;
}

export interface LiveResult {
  /** Milliseconds from writing the message to the broker to reading the event. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly samples: number;
  /** Events of the connections that were read in full that did not come, of those that should have. */
  readonly missing: number;
  /** Connections that got other bytes than the first one, where all should get the same. */
  readonly different: number;
  readonly frames: number;
  /** Seconds of processor time this process took, of the seconds it ran. */
  readonly cpu: number;
}

const now = (): number => performance.timeOrigin + performance.now();

class Client {
  readonly delays: number[] = [];
  readonly socket: WebSocket;
  readonly #sampled: boolean;
  events = 0;
  bytes = 0;
  frames = 0;
  subscribed = false;

  constructor(task: LiveTask, index: number) {
    this.#sampled = index % task.every === 0;
    this.socket = new WebSocket(`ws://127.0.0.1:${task.port}/ws/?values=native`, {
      headers: { authorization: task.authorization },
      perMessageDeflate: false,
    });
    const id = task.ids[index % task.ids.length];
    this.socket.on("open", () =>
      this.socket.send(JSON.stringify({ subscribe: task.each === "all" ? {} : { datapoint: id } })),
    );
    this.socket.on("message", (data: Buffer) => this.#take(data));
    this.socket.on("close", (code, reason) => {
      if (code !== 1000) console.error(`a subscriber was closed: ${code} ${String(reason)}`);
    });
  }

  #take(data: Buffer): void {
    // {"events": begins so; anything else is not about events.
    if (data[2] !== 0x65) {
      if (data.includes('"subscribed"')) this.subscribed = true;
      return;
    }
    this.bytes += data.length;
    this.frames += 1;
    if (!this.#sampled) return;
    const at = now();
    const { events } = JSON.parse(data.toString()) as { readonly events: readonly { value: number }[] };
    this.events += events.length;
    for (const { value } of events) this.delays.push(at - value);
  }
}

const task = taskOf<LiveTask>();
const clients: Client[] = [];
for (let index = 0; index < task.subscribers; index++) {
  const client = new Client(task, index);
  clients.push(client);
  // Not all at once: the time they take to connect is another question.
  if (index % 50 === 49) await once(client.socket, "open");
}
while (clients.some(({ subscribed }) => !subscribed)) await delay(20);
await publish(task.rate * 2);
for (const client of clients) {
  client.delays.length = 0;
  client.events = 0;
  client.bytes = 0;
  client.frames = 0;
}
const cpu = process.cpuUsage();
const began = performance.now();
const count = task.rate * task.seconds;
await publish(count);
const used = process.cpuUsage(cpu);
const delays = clients.flatMap((client) => client.delays);
const sampled = clients.filter((_, index) => index % task.every === 0);
const expected = (task.each === "all" ? count : count / task.ids.length) * sampled.length;
const events = sampled.reduce((sum, client) => sum + client.events, 0);
const result: LiveResult = {
  p50: percentile(delays, 0.5),
  p99: percentile(delays, 0.99),
  p999: percentile(delays, 0.999),
  max: percentile(delays, 1),
  samples: delays.length,
  missing: expected - events,
  different: task.each === "all" ? clients.filter(({ bytes }) => bytes !== clients[0]?.bytes).length : 0,
  frames: clients.reduce((sum, client) => sum + client.frames, 0),
  cpu: (used.user + used.system) / 1000 / (performance.now() - began),
};
answer(result);
for (const { socket } of clients) socket.close();
process.disconnect?.();

/** The value of each message is the moment it was sent. */
async function publish(messages: number): Promise<void> {
  const { ids, connector } = task;
  const topics = ids.map((id) => `${connector}/messages/${id}/value`);
  const flood = new Flood({
    port: task.mqttPort,
    count: messages,
    rate: task.rate,
    messageOf: (index) => ({
      topic: topics[index % topics.length] ?? "",
      payload: `{"value": ${now()}, "timestamp": ${Date.now()}}`,
    }),
  });
  await flood.run();
  await delay(1500);
}
