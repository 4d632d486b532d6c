import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../../../kernel/database/engine.ts";
import { messageOf } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import { type Micros, type Millis, microsFromMillis } from "../../../kernel/time.ts";
import type { TimeSeries } from "../../../kernel/timeseries/store.ts";
import type { StreamId } from "../../../kernel/timeseries/types.ts";
import { lockConnectors } from "../connector-store.ts";
import type { Datapoint } from "../model.ts";
import { listDatapointsById } from "../store.ts";
import { ensureCommandStreams } from "../streams.ts";
import type { Command } from "./model.ts";
import { commandView } from "./views.ts";

/** What may wait for the store, by the bytes of the messages and so much for each step. */
const maxWaiting = 16 * 1024 * 1024;
const stepOverhead = 1000;
/** SQLite has one writer: steps go together, and seldom between the acceptance of a command and its end. */
const gatherMillis = 30;

export interface StepNewsOptions {
  readonly database: Database;
  readonly timeseries: TimeSeries;
  readonly log: Log;
}

/**
 * Puts each step of a command into its datapoint's stream of steps, from which those who listen get it. Behind the
 * step's commit, and nobody waits for it: what is lost here was lost for the listeners only.
 */
export class StepNews implements AsyncDisposable {
  readonly #options: StepNewsOptions;
  #next: Command[] = [];
  #waiting = 0;
  #lost = 0;
  #running: Promise<void> | undefined;

  constructor(options: StepNewsOptions) {
    this.#options = options;
  }

  /** To be called after the commit, with all steps of the transaction. */
  tell(steps: readonly Command[]): void {
    // An older command that ended with a newer one's step comes before it: the newest word is on the newest command.
    for (const step of steps.toSorted((a, b) => a.id - b.id)) {
      const size = sizeOf(step);
      if (this.#waiting + size > maxWaiting) {
        this.#lost += 1;
        continue;
      }
      this.#waiting += size;
      this.#next.push(step);
    }
    if (this.#next.length > 0) this.#running ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#next.length > 0) {
      await delay(gatherMillis);
      const steps = this.#next;
      this.#next = [];
      try {
        await this.#put(steps);
      } catch (error) {
        this.#lose(steps.length, messageOf(error));
      }
      for (const step of steps) this.#waiting -= sizeOf(step);
      if (this.#lost > 0) this.#lose(this.#lost, "The store is too slow.");
      this.#lost = 0;
    }
    // In the same turn as the last look, so that no step falls in between.
    this.#running = undefined;
  }

  #lose(steps: number, error: string): void {
    this.#options.log.warn({ steps, error }, "steps of commands could not be told to those who listen");
  }

  async #put(steps: readonly Command[]): Promise<void> {
    const { timeseries } = this.#options;
    const datapoints = await this.#datapointsOf(steps);
    const times = new Map<StreamId, Micros>();
    const puts = new Set<Promise<void>>();
    for (const step of steps) {
      const datapoint = datapoints.get(step.datapoint);
      const stream = datapoint?.commandStream ?? null;
      // Deleted meanwhile, and its stream with it.
      if (!datapoint || stream === null) continue;
      const last = times.get(stream) ?? timeseries.highWater(stream);
      const time = Math.max(microsFromMillis(timeOf(step)), last + 1);
      times.set(stream, time);
      puts.add(timeseries.put(stream, time, JSON.stringify(commandView(step, datapoint.connector))));
    }
    await Promise.all(puts);
  }

  async #datapointsOf(steps: readonly Command[]): Promise<ReadonlyMap<number, Datapoint>> {
    const { database, timeseries } = this.#options;
    const ids = steps.map(({ datapoint }) => datapoint);
    let found = await listDatapointsById(database.read, ids);
    const without = found.filter(({ commandStream }) => commandStream === null);
    if (without.length > 0) {
      await database.write(async (tx) => {
        await lockConnectors(
          tx,
          without.map(({ connectorId }) => connectorId),
        );
        const current = await listDatapointsById(
          tx,
          without.map(({ id }) => id),
        );
        await ensureCommandStreams(tx, { timeseries }, current);
      });
      found = await listDatapointsById(database.read, ids);
    }
    return new Map(found.map((datapoint) => [datapoint.id, datapoint]));
  }
}

const sizeOf = ({ payload }: Command): number => stepOverhead + 2 * payload.length;

/** When the command came into its state. */
function timeOf({ state, acceptedAt, publishedAt, takenAt, finishedAt }: Command): Millis {
  if (state === "accepted") return acceptedAt;
  if (state === "published") return publishedAt ?? acceptedAt;
  return (state === "taken" ? takenAt : finishedAt) ?? acceptedAt;
}
