import type { Actor } from "../../kernel/changes/changes.ts";
import { type NestedErrors, notFound, Problem } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type Micros, type Millis, microsFromMillis } from "../../kernel/time.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Point, StreamId } from "../../kernel/timeseries/types.ts";
import type { Commands } from "./commands/service.ts";
import { lockConnectors } from "./connector-store.ts";
import { appendOrRefuse } from "./late-points.ts";
import { messageText, readMessageInput } from "./message-texts.ts";
import { type Datapoint, type MessageKind, maxMillis } from "./model.ts";
import { refuseFields, refuseItems } from "./refusals.ts";
import type { MessageInput } from "./schemas.ts";
import { getDatapoint } from "./store.ts";
import { ensureStreams } from "./streams.ts";
import { shorten } from "./texts.ts";
import { shownAt, type WireForm } from "./values.ts";

export interface UpsertCounts {
  readonly created: number;
  readonly updated: number;
}

export interface Sent {
  readonly point: Point;
  /** Where to learn what becomes of it. */
  readonly commandPath: string;
}

/** What may be done to the messages of a datapoint: its values, and an actuator's setpoints and schedules. */
export class Messages {
  readonly #kernel: Kernel;
  readonly #commands: Commands;

  constructor(kernel: Kernel, commands: Commands) {
    this.#kernel = kernel;
    this.#commands = commands;
  }

  /**
   * Publishes the message; it is stored when it comes back from the broker.
   * @throws Problem `invalid-request`, `guard-rail`, `broker-unavailable`
   */
  async send(
    id: number,
    kind: MessageKind,
    input: MessageInput,
    form: WireForm,
    actor: Actor,
  ): Promise<Sent> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    checkActuator(datapoint);
    const point = this.#read(datapoint, kind, input, form);
    const payload = messageText(kind, point, "native");
    const command = await this.#commands.send({ datapoint, kind, point, payload, actor });
    return { point, commandPath: this.#commands.pathOf(command.id) };
  }

  /** Into the history only. @throws Problem `invalid-request` with `items` */
  async putMany(
    id: number,
    kind: MessageKind,
    inputs: readonly MessageInput[],
    form: WireForm,
    actor: Actor,
  ): Promise<UpsertCounts> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const now = this.#kernel.clock.now();
    const points: Point[] = [];
    const faults: NestedErrors[] = [];
    for (const input of inputs) {
      const read = readMessageInput(kind, datapoint, input, form, now);
      if ("time" in read) points.push(read);
      faults.push("time" in read ? noFaults : read.faults);
    }
    if (points.length < inputs.length) throw refuseItems(faults);
    if (points.length === 0) return { created: 0, updated: 0 };
    const stream = await this.#streamOf(datapoint, kind);
    const times = new Set(points.map((point) => point.time));
    const updated = await countPresent(this.#kernel.timeseries, stream, times);
    await appendOrRefuse(this.#kernel.timeseries, stream, points, (items) => refuseItems(items, "expired"));
    const summary = { msgs_created: times.size - updated, msgs_updated: updated };
    await this.#record(actor, datapoint, kind, "update", JSON.stringify(summary));
    return { created: summary.msgs_created, updated };
  }

  async get(id: number, kind: MessageKind, timestamp: Millis): Promise<Point> {
    const stream = (await getDatapoint(this.#kernel.database.read, id)).streams[kind];
    const point = stream === null ? undefined : await this.#findShown(stream, timestamp);
    if (!point) throw noMessage(id, kind, timestamp);
    return point;
  }

  /** @throws Problem `invalid-request` when the body names another time than the path */
  async put(
    id: number,
    kind: MessageKind,
    timestamp: Millis,
    input: MessageInput,
    form: WireForm,
    actor: Actor,
  ): Promise<Point> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const point = this.#read(datapoint, kind, input, form);
    if (point.time !== microsFromMillis(timestamp)) {
      const rule = `Timestamp ${shorten(input.timestamp)} is not the ${timestamp} of the path.`;
      throw refuseFields({ timestamp: [rule] });
    }
    const stream = await this.#streamOf(datapoint, kind);
    await appendOrRefuse(this.#kernel.timeseries, stream, [point], ([faults = noFaults]) =>
      refuseFields(faults, "expired"),
    );
    await this.#record(actor, datapoint, kind, "update", messageText(kind, point, "native"));
    return point;
  }

  /** Whatever is shown with this timestamp. */
  async remove(id: number, kind: MessageKind, timestamp: Millis, actor: Actor): Promise<void> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const stream = datapoint.streams[kind];
    const point = stream === null ? undefined : await this.#findShown(stream, timestamp);
    if (stream === null || !point) throw noMessage(id, kind, timestamp);
    await this.#kernel.timeseries.deleteRange(stream, shownAt(timestamp));
    await this.#record(actor, datapoint, kind, "delete", messageText(kind, point, "native"));
  }

  async #findShown(stream: StreamId, timestamp: Millis): Promise<Point | undefined> {
    if (timestamp > maxMillis) return undefined;
    const exact = await this.#kernel.timeseries.find(stream, microsFromMillis(timestamp));
    if (exact) return exact;
    let last: Point | undefined;
    for await (const { times, values, texts } of this.#kernel.timeseries.read(stream, shownAt(timestamp))) {
      const index = times.length - 1;
      const time = times[index];
      if (time !== undefined) last = { time, value: texts?.get(index) ?? values[index] ?? 0 };
    }
    return last;
  }

  #read(datapoint: Datapoint, kind: MessageKind, input: MessageInput, form: WireForm): Point {
    const read = readMessageInput(kind, datapoint, input, form, this.#kernel.clock.now());
    if ("time" in read) return read;
    throw refuseFields(read.faults);
  }

  async #streamOf(datapoint: Datapoint, kind: MessageKind): Promise<StreamId> {
    const present = datapoint.streams[kind];
    if (present !== null) return present;
    return this.#kernel.database.write(async (tx) => {
      await lockConnectors(tx, [datapoint.connectorId]);
      const current = await getDatapoint(tx, datapoint.id);
      const made = await ensureStreams(tx, this.#kernel, kind, [current]);
      const stream = current.streams[kind] ?? made.get(current.id);
      if (stream === undefined) throw new Error(`no ${kind} stream was made for datapoint ${current.id}`);
      return stream;
    });
  }

  /** `message` is JSON text: what was written or, for many, how many. */
  async #record(
    actor: Actor,
    { id }: Datapoint,
    kind: MessageKind,
    action: "update" | "delete",
    message: string,
  ): Promise<void> {
    const content = JSON.parse(message) as unknown;
    const [before, after] = action === "delete" ? [content, null] : [null, content];
    const change = { actor, action, resource: `datapoint${kind}`, object: String(id), before, after };
    await this.#kernel.database.write((tx) => this.#kernel.changes.record(tx, [change]));
  }
}

/** @throws Problem `invalid-request` */
export function checkActuator({ id, type }: Datapoint): void {
  if (type === "actuator") return;
  const rule = `Datapoint ${id} is a sensor: messages are sent to actuators only.`;
  throw new Problem("invalid-request", {
    detail: rule,
    errors: [{ pointer: "", detail: rule }],
    fields: { non_field_errors: [rule] },
  });
}

const noFaults: NestedErrors = {};

const noMessage = (id: number, kind: MessageKind, timestamp: Millis): Problem =>
  notFound(`${kind} of datapoint ${id} at timestamp`, timestamp);

/** Times further apart are looked up one by one, nearer ones by reading what lies between. */
const nearby: Micros = 86_400_000_000;

async function countPresent(
  timeseries: TimeSeries,
  stream: StreamId,
  times: ReadonlySet<Micros>,
): Promise<number> {
  const ascending = Float64Array.from(times).sort();
  let present = 0;
  let start = 0;
  for (let index = 1; index <= ascending.length; index += 1) {
    const last = ascending[index - 1] ?? 0;
    if (index < ascending.length && (ascending[index] ?? 0) - last <= nearby) continue;
    const from = ascending[start] ?? 0;
    if (index - start === 1) present += (await timeseries.find(stream, from)) ? 1 : 0;
    else
      for await (const page of timeseries.read(stream, { from, to: last + 1 }))
        for (const time of page.times) if (times.has(time)) present += 1;
    start = index;
  }
  return present;
}
