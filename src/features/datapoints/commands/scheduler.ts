import type { Database } from "../../../kernel/database/engine.ts";
import { messageOf } from "../../../kernel/errors.ts";
import { Lease } from "../../../kernel/jobs/lease.ts";
import type { MqttLink } from "../../../kernel/mqtt/link.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import { type Clock, type Millis, microsFromMillis, millisFromMicros } from "../../../kernel/time.ts";
import type { TimeSeries } from "../../../kernel/timeseries/store.ts";
import type { Point, PointValue } from "../../../kernel/timeseries/types.ts";
import { findDatapoint } from "../store.ts";
import { textOfPoint } from "../values.ts";
import { listExpired } from "./guard-store.ts";
import type { Ledger } from "./ledger.ts";
import { type Command, commandedValue, type Feedback, matches, type ReadBack } from "./model.ts";
import type { SafeValues } from "./safe-values.ts";
import type { Outcome } from "./steps.ts";
import { listOpen, ownTimes, pruneCommands } from "./store.ts";
import type { FeedbackWatch } from "./watch.ts";

const everyMillis: Millis = 500;
const pruneEvery: Millis = 3_600_000;
const atOnce = 1000;
const prunedAtOnce = 1000;

const unrecorded =
  "The server stopped, or lost its database, before it could note whether the broker took it.";

export interface SchedulerOptions {
  readonly database: Database;
  readonly timeseries: TimeSeries;
  readonly link: MqttLink;
  readonly ledger: Ledger;
  readonly watch: FeedbackWatch;
  readonly safeValues: SafeValues;
  readonly clock: Clock;
  readonly log: Log;
  /** How long final commands are kept. */
  readonly keep: Millis;
}

/**
 * Ends what nobody else ends: commands whose sender is gone, whose deadline has come, whose value has expired. One node
 * at a time does it, by a lease; what it writes is conditional, so that a second one would change nothing.
 */
export class CommandScheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #lease: Lease;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failing = false;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#lease = new Lease({ database: options.database, name: "datapoints/commands" });
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#tick().finally(() => {
        if (!this.#stopped) this.start();
      });
    }, everyMillis).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#lease[Symbol.asyncDispose]();
  }

  /** Never rejects. */
  async #tick(): Promise<void> {
    const { watch, log } = this.#options;
    try {
      watch.sweep();
      if (await this.#lease.held()) await this.run();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log.warn({ error: messageOf(error) }, "commands could not be looked after");
      this.#failing = true;
    }
  }

  /** One round. */
  async run(): Promise<void> {
    const { database, clock, link, safeValues } = this.#options;
    const due = await listOpen(database.read, clock.now(), atOnce);
    // Together, so that the ledger writes them together.
    await Promise.all(due.map((command) => this.#end(command)));
    if (link.status.connected)
      for (const datapoint of await listExpired(database.read, clock.now(), atOnce))
        await safeValues.send(datapoint);
    await this.#prune();
  }

  async #end(command: Command): Promise<void> {
    const { ledger, clock } = this.#options;
    const { id, state, feedback } = command;
    if (state !== "taken" || !feedback)
      await ledger.failed({ id, at: clock.now(), reason: unrecorded, publishedAt: undefined });
    else await ledger.outcome(await this.#judge(command, feedback));
  }

  /** At the deadline the store says what was read back, whoever heard it. */
  async #judge(command: Command, feedback: Feedback): Promise<Outcome> {
    const heard = await this.#heard(command, feedback);
    const wanted = commandedValue(command);
    const fitting = heard?.find(({ value }) => matches(feedback, wanted, value));
    const last = heard?.at(-1);
    const seconds = feedback.within / 1000;
    const outcome = (state: Outcome["state"], reason: string | null, readBack: ReadBack | null): Outcome => ({
      id: command.id,
      state,
      at: this.#options.clock.now(),
      reason,
      readBack,
      supersededBy: null,
    });
    if (fitting) return outcome("confirmed", null, fitting);
    if (last)
      return outcome("diverged", `${shown(last.value)} was read back in place of ${shown(wanted)}.`, last);
    const gone = heard ? "" : " It does not exist any more.";
    const from = `datapoint ${feedback.datapoint}`;
    return outcome("expired", `Nothing was read back from ${from} within ${seconds} s.${gone}`, null);
  }

  /**
   * What was heard between acceptance and deadline, without our own messages: the newest that fits, or the newest.
   * Undefined without the datapoint.
   */
  async #heard({ acceptedAt, deadline }: Command, feedback: Feedback): Promise<readonly Point[] | undefined> {
    const { database, timeseries } = this.#options;
    const datapoint = await findDatapoint(database.read, feedback.datapoint);
    if (!datapoint) return undefined;
    if (datapoint.streams.value === null) return [];
    const own = await ownTimes(database.read, feedback.datapoint, acceptedAt);
    const range = {
      from: microsFromMillis(acceptedAt),
      to: Math.max(microsFromMillis(deadline ?? acceptedAt), microsFromMillis(acceptedAt)) + 1,
    };
    const heard: Point[] = [];
    for await (const { times, values, texts } of timeseries.read(datapoint.streams.value, range))
      for (const [index, time] of times.entries())
        if (time % 1000 !== 0 || !own.has(millisFromMicros(time)))
          heard.push({ time, value: texts?.get(index) ?? values[index] ?? 0 });
    return heard;
  }

  async #prune(): Promise<void> {
    const { database, clock, keep } = this.#options;
    if (performance.now() < this.#prunedAt + pruneEvery) return;
    this.#prunedAt = performance.now();
    const horizon = clock.now() - keep;
    while (!this.#stopped) {
      const removed = await database.write((tx) => pruneCommands(tx, horizon, prunedAtOnce));
      if (removed < prunedAtOnce) return;
    }
  }
}

const shown = (value: PointValue): string => {
  const text = textOfPoint(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};
