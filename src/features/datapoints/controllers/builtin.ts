import { serverActor } from "../../../kernel/changes/actor.ts";
import type { RecordedChange } from "../../../kernel/changes/changes.ts";
import { messageOf, Problem } from "../../../kernel/errors.ts";
import { Lease } from "../../../kernel/jobs/lease.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { type Millis, microsFromMillis } from "../../../kernel/time.ts";
import type { Point, PointValue } from "../../../kernel/timeseries/types.ts";
import type { Commands } from "../commands/service.ts";
import { messageText } from "../message-texts.ts";
import { valueFault } from "../model.ts";
import { findDatapoint } from "../store.ts";
import type { TimedKind } from "../timed-items.ts";
import { nativeOfPoint, pointOf } from "../values.ts";
import { decide, itemAt, nextChange, type TimedItem, timedItems } from "./decision.ts";
import { touchesPairs } from "./lists.ts";
import { type ActivePair, listActivePairs } from "./store.ts";

/**
 * How often it looks: timers until the end of an item would drift, and beyond 24 days fire at once. On several nodes
 * messages reach another one than the one that acts; the store knows them all.
 */
const everyMillis: Millis = 250;
/** After the broker was away; and after a refusal, which will hardly be another one a moment later. */
const retryMillis = { away: 2000, refused: 60_000 } as const;

const actor = serverActor("built-in controller");

/** What is remembered of a pair while it is in force. */
interface Controlled {
  pair: ActivePair;
  /** What the actuator was told last; undefined where the store has to say it: at first, and after a new message. */
  sent: PointValue | undefined;
  /** Times of the messages of the last look. */
  messages: string;
  sending: Promise<void> | undefined;
  /** On the monotonic clock: not before this after a failure. */
  notBefore: number;
  readonly read: Record<TimedKind, { text: PointValue | undefined; items: readonly TimedItem[] }>;
}

/**
 * Lets actuators do what their setpoint, their schedule and the sensor say, for the pairs that have no other controller.
 * One node at a time does it, by a lease; two of them for a moment would decide the same. After a start it compares with
 * what the actuator was told last, so that nothing is sent twice.
 */
export class BuiltinController implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #commands: Commands;
  readonly #lease: Lease;
  readonly #controlled = new Map<number, Controlled>();
  #changed = true;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failing = false;

  constructor(kernel: Kernel, commands: Commands) {
    this.#kernel = kernel;
    this.#commands = commands;
    this.#lease = new Lease({ database: kernel.database, name: "datapoints/controller" });
  }

  /** To be called after each commit. */
  readonly follow = (change: RecordedChange): void => {
    if (touchesPairs(change)) this.#changed = true;
  };

  start(wait: Millis = everyMillis): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#tick().then((next) => {
        if (!this.#stopped) this.start(next);
      });
    }, wait).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    for (const { sending } of this.#controlled.values()) await sending;
    await this.#lease[Symbol.asyncDispose]();
  }

  /** Never rejects. @returns milliseconds until it should look again */
  async #tick(): Promise<Millis> {
    try {
      if (this.#changed) await this.#load();
      if (this.#controlled.size === 0) return everyMillis;
      // Who has not acted does not know what was sent meanwhile.
      if (await this.#lease.held()) return await this.#look();
      for (const one of this.#controlled.values()) one.sent = undefined;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#kernel.log.warn({ error: messageOf(error) }, "the built-in controller could not look");
      this.#failing = true;
    }
    return everyMillis;
  }

  async #load(): Promise<void> {
    this.#changed = false;
    try {
      const pairs = (await listActivePairs(this.#kernel.database.read)).filter(({ builtin }) => builtin);
      const present = new Set(pairs.map(({ id }) => id));
      for (const id of this.#controlled.keys()) if (!present.has(id)) this.#controlled.delete(id);
      for (const pair of pairs) {
        const known = this.#controlled.get(pair.id);
        if (known && known.pair.actuatorId === pair.actuatorId) known.pair = pair;
        else this.#controlled.set(pair.id, fresh(pair));
      }
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }

  /** At everything, with one question to the store. */
  async #look(): Promise<Millis> {
    const { timeseries, clock } = this.#kernel;
    const all = [...this.#controlled.values()];
    const wanted = all.flatMap(({ pair }) => Object.values(pair.streams));
    const streams = [...new Set(wanted.filter((stream) => stream !== null))];
    const points = await timeseries.latest(streams);
    const latest = new Map(streams.map((stream, index) => [stream, points[index]]));
    const now = clock.now();
    let next = now + everyMillis;
    for (const one of all) {
      const of = (name: keyof ActivePair["streams"]) => latest.get(one.pair.streams[name] ?? 0);
      next = Math.min(next, this.#control(one, of, now));
    }
    this.#failing = false;
    return Math.max(1, next - now);
  }

  /** @returns when another item may be in force */
  #control(
    one: Controlled,
    latest: (name: keyof ActivePair["streams"]) => Point | undefined,
    now: Millis,
  ): Millis {
    const setpoints = itemsOf(one, "setpoint", latest("setpoint"));
    const schedules = itemsOf(one, "schedule", latest("schedule"));
    const sensor = latest("sensor");
    const messages = `${latest("setpoint")?.time} ${latest("schedule")?.time}`;
    // A new order holds against whoever has moved the actuator meanwhile.
    if (messages !== one.messages) one.sent = undefined;
    one.messages = messages;
    const decision = decide({
      setpoint: itemAt(setpoints, now),
      schedule: itemAt(schedules, now),
      sensor: sensor && nativeOfPoint(sensor.value),
    });
    if (decision) this.#obey(one, pointOf(decision.value), latest("actuator"), now);
    // Left alone from now on: whoever sets it meanwhile, the next decision counts anew.
    else if (!one.sending) one.sent = undefined;
    return Math.min(nextChange(setpoints, now), nextChange(schedules, now));
  }

  #obey(one: Controlled, value: PointValue, actuator: Point | undefined, now: Millis): void {
    one.sent ??= actuator?.value;
    if (value === one.sent || one.sending || performance.now() < one.notBefore) return;
    one.sending = this.#send(one, value, now).finally(() => {
      one.sending = undefined;
    });
  }

  /** Never rejects. */
  async #send(one: Controlled, value: PointValue, now: Millis): Promise<void> {
    const { database, log } = this.#kernel;
    const id = one.pair.actuatorId;
    try {
      const datapoint = await findDatapoint(database.read, id);
      if (!datapoint) return;
      const fault = valueFault(datapoint, nativeOfPoint(value));
      if (fault !== undefined) throw new Problem("invalid-request", { detail: fault });
      const point = { time: microsFromMillis(now), value };
      const payload = messageText("value", point, "native");
      await this.#commands.send({ datapoint, kind: "value", point, payload, actor });
      one.sent = value;
    } catch (error) {
      const isRefused = error instanceof Problem && error.status < 500;
      one.notBefore = performance.now() + retryMillis[isRefused ? "refused" : "away"];
      log.warn(
        { datapoint: id, error: messageOf(error) },
        "what the built-in controller decided could not be sent; trying again",
      );
    }
  }
}

const fresh = (pair: ActivePair): Controlled => ({
  pair,
  sent: undefined,
  messages: "",
  sending: undefined,
  notBefore: 0,
  read: { setpoint: { text: undefined, items: [] }, schedule: { text: undefined, items: [] } },
});

/** Parsed once for each message. */
function itemsOf({ read }: Controlled, kind: TimedKind, point: Point | undefined): readonly TimedItem[] {
  const known = read[kind];
  if (known.text === point?.value) return known.items;
  const items = point ? timedItems(kind, nativeOfPoint(point.value)) : [];
  read[kind] = { text: point?.value, items };
  return items;
}
