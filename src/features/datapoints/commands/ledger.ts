import type { Change, ChangeLog } from "../../../kernel/changes/changes.ts";
import { afterCommit, type Database, type Tx } from "../../../kernel/database/engine.ts";
import { Problem } from "../../../kernel/errors.ts";
import type { Clock, Millis } from "../../../kernel/time.ts";
import { type Acceptance, acceptAll, type Request } from "./acceptance.ts";
import { firstStep, laterStep, sentMessage } from "./events.ts";
import type { CommandFigures } from "./figures.ts";
import { disarmExpiry, rearmExpiry, renewExpiry } from "./guard-store.ts";
import { type Command, isFinal } from "./model.ts";
import type { StepNews } from "./step-news.ts";
import {
  type Failure,
  markFailed,
  markOutcome,
  markPublished,
  markTaken,
  type Outcome,
  type Taken,
} from "./steps.ts";
import { isOwnMessage, listWaiting } from "./store.ts";

/** After that long a safe value that did not get through is sent again. */
const safeValueRetry: Millis = 5_000;

type Step =
  | { readonly kind: "accept"; readonly request: Request }
  | { readonly kind: "published"; readonly id: number; readonly at: Millis }
  | { readonly kind: "taken"; readonly taken: Taken; readonly expires: boolean }
  | { readonly kind: "failed"; readonly failure: Failure }
  /** `heardOn`: the datapoint of a message which must not be one of ours. */
  | { readonly kind: "outcome"; readonly outcome: Outcome; readonly heardOn?: number };

type TakenStep = Step & { readonly kind: "taken" };

interface Result {
  readonly accepted?: Acceptance;
  /** The command after the step; undefined when it could not take it any more. */
  readonly changed?: Command;
}

interface Entry {
  readonly step: Step;
  readonly done: PromiseWithResolvers<Result>;
}

export interface LedgerOptions {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly clock: Clock;
  readonly figures: CommandFigures;
  readonly news: StepNews;
}

/**
 * Writes down what becomes of commands: all steps that came while the transaction before was under way go into the next
 * one. Each step resolves when it is durable.
 * @throws Problem `store-unavailable`, `disk-full`
 */
export class Ledger implements AsyncDisposable {
  readonly #options: LedgerOptions;
  #next: Entry[] = [];
  #running: Promise<void> | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  async accept(request: Request): Promise<Acceptance> {
    const { accepted } = await this.#add({ kind: "accept", request });
    if (!accepted) throw new Error("a command was not judged");
    return accepted;
  }

  async published(id: number, at: Millis): Promise<void> {
    await this.#add({ kind: "published", id, at });
  }

  /** @returns the command as it is now; undefined when it had ended before */
  async taken(taken: Taken, expires: boolean): Promise<Command | undefined> {
    return (await this.#add({ kind: "taken", taken, expires })).changed;
  }

  async failed(failure: Failure): Promise<Command | undefined> {
    return (await this.#add({ kind: "failed", failure })).changed;
  }

  /** @param heardOn the datapoint whose message speaks for it; a message of our own does not */
  async outcome(outcome: Outcome, heardOn?: number): Promise<Command | undefined> {
    const step = { kind: "outcome", outcome } as const;
    return (await this.#add(heardOn === undefined ? step : { ...step, heardOn })).changed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }

  #add(step: Step): Promise<Result> {
    const done = Promise.withResolvers<Result>();
    this.#next.push({ step, done });
    this.#running ??= this.#run();
    return done.promise;
  }

  async #run(): Promise<void> {
    // What this turn of the event loop still brings goes with the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#next.length > 0) {
      const entries = this.#next;
      this.#next = [];
      await this.#write(entries);
    }
    // In the same turn as the last look, so that no step falls in between.
    this.#running = undefined;
  }

  /** Never rejects. */
  async #write(entries: readonly Entry[]): Promise<void> {
    try {
      const steps = entries.map(({ step }) => step);
      // Read outside the transaction, which is so much shorter; only we take commands on this node.
      const waiting = await listWaiting(this.#options.database.read, takenDatapoints(steps));
      const results = await this.#options.database.write((tx) => this.#apply(tx, steps, waiting));
      for (const [index, { done }] of entries.entries()) done.resolve(results[index] ?? {});
    } catch (error) {
      const passing = error instanceof Problem && error.status >= 500;
      if (passing || entries.length === 1) for (const { done } of entries) done.reject(error);
      // One that the database refuses must not take the others with it.
      else for (const entry of entries) await this.#write([entry]);
    }
  }

  /** @returns one result for each step */
  async #apply(tx: Tx, steps: readonly Step[], waiting: readonly Command[]): Promise<readonly Result[]> {
    const { clock, changes, figures, news } = this.#options;
    const records: Change[] = [];
    const made: Command[] = [];
    const note = (command: Command): void => {
      records.push(laterStep(command));
      made.push(command);
    };
    const changed = new Map<Step, Command>();
    for (const step of steps)
      for (const command of await applyOne(tx, step)) {
        changed.set(step, command);
        note(command);
      }
    const taken = steps.filter((step) => step.kind === "taken");
    for (const command of await this.#take(tx, taken, waiting, note)) {
      const step = taken.find((one) => one.taken.id === command.id);
      if (step) changed.set(step, command);
      records.push(sentMessage(command));
    }
    const requests = steps.filter((step) => step.kind === "accept");
    const accepted =
      requests.length === 0
        ? []
        : await acceptAll(
            tx,
            requests.map(({ request }) => request),
            clock.now(),
          );
    for (const { command } of accepted) {
      records.push(firstStep(command));
      made.push(command);
    }
    await changes.record(tx, records);
    afterCommit(tx, () => {
      figures.ended(made.filter(({ state }) => isFinal(state)));
      news.tell(made);
    });
    return resultsOf(steps, changed, accepted);
  }

  /** What the broker has taken puts an end to what it took before for the same datapoint. */
  async #take(
    tx: Tx,
    steps: readonly TakenStep[],
    before: readonly Command[],
    note: (command: Command) => void,
  ): Promise<readonly Command[]> {
    if (steps.length === 0) return [];
    const commands = await markTaken(
      tx,
      steps.map(({ taken }) => taken),
    );
    const newest = new Map(commands.map((command) => [`${command.datapoint} ${command.kind}`, command]));
    for (const command of commands) note(command);
    for (const old of [...before, ...commands.filter(({ state }) => state === "taken")]) {
      const newer = newest.get(`${old.datapoint} ${old.kind}`);
      if (!newer || newer.id === old.id) continue;
      const at = newer.takenAt ?? 0;
      for (const ended of await markOutcome(tx, supersededOutcome(old, newer, at))) note(ended);
    }
    const expiring = new Set(steps.flatMap(({ taken, expires }) => (expires ? [taken.id] : [])));
    // By datapoint, as guards are locked everywhere.
    const renewed = commands.filter(({ id }) => expiring.has(id)).sort((a, b) => a.datapoint - b.datapoint);
    for (const { datapoint, takenAt } of renewed) await renewExpiry(tx, datapoint, takenAt ?? 0);
    return commands;
  }
}

const takenDatapoints = (steps: readonly Step[]): readonly number[] =>
  steps.flatMap((step) => (step.kind === "taken" ? [step.taken.datapoint] : []));

const supersededOutcome = (old: Command, newer: Command, at: Millis): Outcome => ({
  id: old.id,
  state: "superseded",
  at,
  reason: `The broker took command ${newer.id} for the same datapoint.`,
  readBack: null,
  supersededBy: newer.id,
});

/** Steps that stand for themselves. */
async function applyOne(tx: Tx, step: Step): Promise<readonly Command[]> {
  if (step.kind === "published") return markPublished(tx, step.id, step.at);
  if (step.kind === "failed") {
    const failed = await markFailed(tx, step.failure);
    for (const command of failed) await unarm(tx, command, step.failure);
    return failed;
  }
  if (step.kind !== "outcome") return [];
  const { outcome, heardOn } = step;
  if (heardOn === undefined) return markOutcome(tx, outcome);
  const isOwn = outcome.readBack && (await isOwnMessage(tx, heardOn, outcome.readBack.time));
  return isOwn ? [] : markOutcome(tx, outcome, true);
}

/** A safe value is tried again; what never left is in force nowhere, and cannot expire. */
async function unarm(tx: Tx, command: Command, { at, publishedAt }: Failure): Promise<void> {
  if (command.isSafeValue) await rearmExpiry(tx, command.datapoint, at + safeValueRetry);
  else if (publishedAt === null) await disarmExpiry(tx, command.datapoint, command.id);
}

function resultsOf(
  steps: readonly Step[],
  changed: ReadonlyMap<Step, Command>,
  accepted: readonly Acceptance[],
): readonly Result[] {
  let next = 0;
  return steps.map((step) => {
    const command = changed.get(step);
    if (command) return { changed: command };
    const acceptance = step.kind === "accept" ? accepted[next++] : undefined;
    return acceptance ? { accepted: acceptance } : {};
  });
}
