import type { Actor } from "../../kernel/changes/changes.ts";
import { type FieldErrors, notFound, Problem } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type Micros, type Millis, microsFromMillis } from "../../kernel/time.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Point, PointBatch, StreamId } from "../../kernel/timeseries/types.ts";
import { lockConnectors } from "./connector-store.ts";
import { hasFaults } from "./fields.ts";
import type { Figures } from "./figures.ts";
import { type Datapoint, maxMillis, messageTopic, timestampFault, valueFault } from "./model.ts";
import { refuseFields, refuseItems } from "./refusals.ts";
import type { MessageInput } from "./schemas.ts";
import { getDatapoint } from "./store.ts";
import { ensureValueStreams } from "./streams.ts";
import { shorten } from "./texts.ts";
import { decodeWritten, messageText, pointOf, shownAt, sizeFault, type WireForm } from "./values.ts";

export interface UpsertCounts {
  readonly created: number;
  readonly updated: number;
}

/** What may be done to the values of a datapoint. */
export class Values {
  readonly #kernel: Kernel;
  readonly #figures: Figures;

  constructor(kernel: Kernel, figures: Figures) {
    this.#kernel = kernel;
    this.#figures = figures;
  }

  /**
   * Publishes the value for the connector; it is stored when it comes back from the broker.
   * @throws Problem `invalid-request`, `broker-unavailable`
   */
  async send(id: number, input: MessageInput, form: WireForm, actor: Actor): Promise<Point> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    checkActuator(datapoint);
    const point = this.#read(datapoint, input, form);
    await this.#kernel.mqtt.publish({
      topic: messageTopic(datapoint.connector, id, "value"),
      payload: messageText(point, "native"),
      qos: 1,
      retain: false,
    });
    this.#figures.of(datapoint.connector).published["messages/+/value"] += 1;
    await this.#record(actor, datapoint, "create", messageText(point, "native"));
    return point;
  }

  /** Into the history only. @throws Problem `invalid-request` with `items` */
  async putMany(
    id: number,
    inputs: readonly MessageInput[],
    form: WireForm,
    actor: Actor,
  ): Promise<UpsertCounts> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const now = this.#kernel.clock.now();
    const points: Point[] = [];
    const faults: FieldErrors[] = [];
    for (const input of inputs) {
      const read = readMessageInput(datapoint, input, form, now);
      if ("time" in read) points.push(read);
      faults.push("time" in read ? noFaults : read.faults);
    }
    if (points.length < inputs.length) throw refuseItems(faults);
    if (points.length === 0) return { created: 0, updated: 0 };
    const stream = await this.#streamOf(datapoint);
    const times = new Set(points.map((point) => point.time));
    const updated = await countPresent(this.#kernel.timeseries, stream, times);
    await this.#kernel.timeseries.append(batchOf(stream, points));
    const summary = { msgs_created: times.size - updated, msgs_updated: updated };
    await this.#record(actor, datapoint, "update", JSON.stringify(summary));
    return { created: summary.msgs_created, updated };
  }

  async get(id: number, timestamp: Millis): Promise<Point> {
    const { valueStream } = await getDatapoint(this.#kernel.database.read, id);
    const point = valueStream === null ? undefined : await this.#findShown(valueStream, timestamp);
    if (!point) throw noMessage(id, timestamp);
    return point;
  }

  /** @throws Problem `invalid-request` when the body names another time than the path */
  async put(
    id: number,
    timestamp: Millis,
    input: MessageInput,
    form: WireForm,
    actor: Actor,
  ): Promise<Point> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const point = this.#read(datapoint, input, form);
    if (point.time !== microsFromMillis(timestamp)) {
      const rule = `Timestamp ${shorten(input.timestamp)} is not the ${timestamp} of the path.`;
      throw refuseFields({ timestamp: [rule] });
    }
    const stream = await this.#streamOf(datapoint);
    await this.#kernel.timeseries.append(batchOf(stream, [point]));
    await this.#record(actor, datapoint, "update", messageText(point, "native"));
    return point;
  }

  /** Whatever is shown with this timestamp. */
  async remove(id: number, timestamp: Millis, actor: Actor): Promise<void> {
    const datapoint = await getDatapoint(this.#kernel.database.read, id);
    const stream = datapoint.valueStream;
    const point = stream === null ? undefined : await this.#findShown(stream, timestamp);
    if (stream === null || !point) throw noMessage(id, timestamp);
    await this.#kernel.timeseries.deleteRange(stream, shownAt(timestamp));
    await this.#record(actor, datapoint, "delete", messageText(point, "native"));
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

  #read(datapoint: Datapoint, input: MessageInput, form: WireForm): Point {
    const read = readMessageInput(datapoint, input, form, this.#kernel.clock.now());
    if ("time" in read) return read;
    throw refuseFields(read.faults);
  }

  async #streamOf(datapoint: Datapoint): Promise<StreamId> {
    if (datapoint.valueStream !== null) return datapoint.valueStream;
    const { database, timeseries, config } = this.#kernel;
    return database.write(async (tx) => {
      await lockConnectors(tx, [datapoint.connectorId]);
      const current = await getDatapoint(tx, datapoint.id);
      const made = await ensureValueStreams(tx, timeseries, config.extensions.history, [current]);
      const stream = current.valueStream ?? made.get(current.id);
      if (stream === undefined) throw new Error(`no stream was made for datapoint ${current.id}`);
      return stream;
    });
  }

  /** `message` is JSON text: what was written or, for many, how many. */
  async #record(
    actor: Actor,
    { id }: Datapoint,
    action: "create" | "update" | "delete",
    message: string,
  ): Promise<void> {
    const content = JSON.parse(message) as unknown;
    const [before, after] = action === "delete" ? [content, null] : [null, content];
    const change = { actor, action, resource: "datapointvalue", object: String(id), before, after };
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

const noFaults: FieldErrors = {};

const noMessage = (id: number, timestamp: Millis): Problem =>
  notFound(`value of datapoint ${id} at timestamp`, timestamp);

function readMessageInput(
  datapoint: Datapoint,
  input: MessageInput,
  form: WireForm,
  now: Millis,
): Point | { readonly faults: FieldErrors } {
  const faults: Record<string, string[]> = {};
  const timestamp = readTimestamp(input.timestamp);
  const timeFault =
    timestamp === undefined
      ? `A valid integer is required, not ${shorten(input.timestamp)}.`
      : timestampFault(timestamp, now);
  if (timeFault !== undefined) faults["timestamp"] = [timeFault];
  const decoded = decodeWritten(input.value, form);
  const fault =
    "fault" in decoded ? decoded.fault : (sizeFault(decoded.value) ?? valueFault(datapoint, decoded.value));
  if (fault !== undefined) faults["value"] = [fault];
  if ("fault" in decoded || hasFaults(faults)) return { faults };
  return { time: microsFromMillis(timestamp ?? 0), value: pointOf(decoded.value) };
}

/** Integers may come as text, as forms send them. */
function readTimestamp(input: number | string): Millis | undefined {
  const timestamp = typeof input === "string" && /^\s*[+-]?\d+\s*$/.test(input) ? Number(input) : input;
  return Number.isSafeInteger(timestamp) ? Number(timestamp) : undefined;
}

function batchOf(stream: StreamId, points: readonly Point[]): PointBatch {
  const count = points.length;
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  const texts = new Map<number, string>();
  for (const [index, { time, value }] of points.entries()) {
    times[index] = time;
    values[index] = typeof value === "number" ? value : Number.NaN;
    if (typeof value === "string") texts.set(index, value);
  }
  const streams = new Uint32Array(count).fill(stream);
  return { count, streams, times, values, ...(texts.size > 0 ? { texts } : {}) };
}

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
