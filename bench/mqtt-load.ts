/** The load generator and the bare subscriber for MQTT, each a process of its own. */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Flood, type FloodMessage } from "../test/mqtt/flood.ts";
import { answer, taskOf } from "./child.ts";
import { percentile } from "./figures.ts";
import { RawConnection, requestOf } from "./raw-http.ts";

/** Message `index` goes to the datapoints in turn, each time a step later than the one before it there. */
export interface MessageSeries {
  readonly connector: string;
  readonly ids: readonly number[];
  readonly firstTime: number;
  /** Milliseconds between two messages of a datapoint; 0 = the time of sending. */
  readonly step: number;
}

export interface FloodTask {
  readonly kind: "flood";
  readonly port: number;
  readonly count: number;
  readonly rate?: number;
  readonly series: MessageSeries;
}

export interface FloodResult {
  /** Seconds from the first message to the last acknowledgement. */
  readonly seconds: number;
  /** performance.timeOrigin + now of the first message. */
  readonly startedAt: number;
}

/** Publishes at the rate and asks for some of the messages over HTTP until they are readable. */
export interface LatencyTask extends Omit<FloodTask, "kind" | "rate"> {
  readonly kind: "latency";
  readonly rate: number;
  readonly httpPort: number;
  readonly authorization: string;
  /** Every how many messages one is looked for. */
  readonly every: number;
}

export interface LatencyResult {
  /** Milliseconds from writing the message to the end of the answer that holds it. */
  readonly median: number;
  readonly p99: number;
  readonly samples: number;
}

/** Subscribes to everything with QoS 1 and only counts: what the broker itself can pass on. */
export interface SubscribeTask {
  readonly kind: "subscribe";
  readonly port: number;
  readonly count: number;
}

export type MqttTask = FloodTask | LatencyTask | SubscribeTask;

const task = taskOf<MqttTask>();
if (task.kind === "flood") answer(await flood(task));
else if (task.kind === "latency") answer(await latency(task));
else await subscribe(task);
process.disconnect?.();

/** About 80 bytes, as a meter sends them. */
function messagesOf({ connector, ids, firstTime, step }: MessageSeries): (index: number) => FloodMessage {
  const topics = ids.map((id) => `${connector}/messages/${id}/value`);
  return (index) => {
    const timestamp = step === 0 ? Date.now() : firstTime + Math.floor(index / ids.length) * step;
    const value = 2000 + ((index * 7919) % 100_000) / 100;
    return {
      topic: topics[index % topics.length] ?? "",
      payload: `{"value": ${value}, "timestamp": ${timestamp}, "unit": "W", "quality": "good"}`,
    };
  };
}

async function flood({ port, count, rate, series }: FloodTask): Promise<FloodResult> {
  const work = new Flood({
    port,
    count,
    window: 2000,
    messageOf: messagesOf(series),
    ...(rate === undefined ? {} : { rate }),
  });
  await work.run();
  return {
    seconds: (performance.now() - work.startedAt) / 1000,
    startedAt: performance.timeOrigin + work.startedAt,
  };
}

async function latency(work: LatencyTask): Promise<LatencyResult> {
  const { port, count, rate, series, every } = work;
  const connection = await RawConnection.open(work.httpPort);
  const base = messagesOf(series);
  const found: number[] = [];
  let looking: Promise<void> | undefined;
  const look = async (path: string, sentAt: number) => {
    const request = requestOf("GET", path, { authorization: work.authorization });
    for (;;) {
      // Asking without a pause would keep a processor busy that the server needs.
      await delay(1);
      const { status } = await connection.request(request);
      if (status === 200) break;
      if (status !== 404) throw new Error(`${path} answered ${status}`);
      if (performance.now() - sentAt > 10_000) throw new Error(`${path} is not readable after 10 s`);
    }
    found.push(performance.now() - sentAt);
    looking = undefined;
  };
  const messageOf = (index: number): FloodMessage => {
    const message = base(index);
    if (index >= rate && index % every === 0 && looking === undefined) {
      const { timestamp } = JSON.parse(message.payload) as { readonly timestamp: number };
      const id = series.ids[index % series.ids.length];
      const sentAt = performance.now();
      looking = look(`/datapoint/${id}/value/${timestamp}/`, sentAt);
    }
    return message;
  };
  await new Flood({ port, count, rate, messageOf }).run();
  await looking;
  connection.close();
  return { median: percentile(found, 0.5), p99: percentile(found, 0.99), samples: found.length };
}

async function subscribe({ port, count }: SubscribeTask): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  socket.on("error", reject);
  let rest = Buffer.alloc(0);
  let received = 0;
  socket.on("connect", () =>
    socket.write(
      Buffer.from([0x10, 15, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 0, 0, 3, ...Buffer.from("sub")]),
    ),
  );
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const acks = Buffer.allocUnsafe(Math.ceil(bytes.length / 8) * 4);
    let ackBytes = 0;
    let at = 0;
    for (;;) {
      const packet = packetAt(bytes, at);
      if (packet === undefined) break;
      if (packet.kind === 2) socket.write(Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 1]));
      else if (packet.kind === 9) answer({ ready: true });
      else if (packet.kind === 3) {
        const id = packet.from + 2 + bytes.readUInt16BE(packet.from);
        acks[ackBytes++] = 0x40;
        acks[ackBytes++] = 2;
        acks[ackBytes++] = bytes[id] ?? 0;
        acks[ackBytes++] = bytes[id + 1] ?? 0;
        received += 1;
      }
      at = packet.end;
    }
    rest = Buffer.from(bytes.subarray(at));
    if (ackBytes > 0) socket.write(acks.subarray(0, ackBytes));
    if (received >= count) resolve();
  });
  await promise;
  answer({ endedAt: performance.timeOrigin + performance.now() });
  socket.destroy();
}

/** The packet that begins there, when all of it is there. */
function packetAt(bytes: Buffer, at: number) {
  let length = 0;
  for (let index = 1; index <= 4; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (index - 1);
    if (byte >= 128) continue;
    const from = at + index + 1;
    if (from + length > bytes.length) return undefined;
    return { kind: (bytes[at] ?? 0) >> 4, from, end: from + length };
  }
  throw new Error("not MQTT");
}
