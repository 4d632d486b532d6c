import type { RecordedChange } from "../../../kernel/changes/changes.ts";
import { messageOf } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import type { Clock, Micros, Millis } from "../../../kernel/time.ts";
import type { PointValue } from "../../../kernel/timeseries/types.ts";
import { eventValue, readEvent } from "./events.ts";
import type { Ledger } from "./ledger.ts";
import {
  type Command,
  clockSlack,
  commandedValue,
  type Feedback,
  isFinal,
  matches,
  type ReadBack,
} from "./model.ts";

interface Waiting {
  readonly id: number;
  readonly datapoint: number;
  /** Of its message. */
  readonly timestamp: Millis;
  readonly acceptedAt: Millis;
  readonly feedback: Feedback;
  readonly value: PointValue;
  /** The broker has it. */
  taken: boolean;
  /** What was read back before we knew that. */
  seen: ReadBack | undefined;
}

/** Kept so much longer than they can be open, in case word of their end got lost. */
const forgottenAfter: Millis = 60_000;

export interface WatchOptions {
  readonly ledger: Ledger;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * The commands that wait to be read back, of all nodes, and the messages that do it. What it misses (a message that came
 * before word of the command, a restart) is found in the store when the deadline comes.
 */
export class FeedbackWatch {
  readonly #options: WatchOptions;
  readonly #byFeedback = new Map<number, Map<number, Waiting>>();
  readonly #feedbackOf = new Map<number, number>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Those that were open at the start. */
  load(commands: readonly Command[]): void {
    for (const command of commands)
      if (command.feedback && !this.#feedbackOf.has(command.id))
        this.#add({
          id: command.id,
          datapoint: command.datapoint,
          timestamp: command.timestamp,
          acceptedAt: command.acceptedAt,
          feedback: command.feedback,
          value: commandedValue(command),
          taken: command.state === "taken",
          seen: undefined,
        });
  }

  /** To be called after each commit, on whichever node. */
  readonly follow = (change: RecordedChange): void => {
    const event = readEvent(change);
    if (!event) return;
    const { id, datapoint, state, timestamp, accepted_at: acceptedAt, feedback } = event;
    if (isFinal(state)) this.#remove(id);
    else if (change.action === "create" && feedback)
      this.#add({
        id,
        datapoint,
        timestamp,
        acceptedAt,
        feedback,
        value: eventValue(event),
        taken: false,
        seen: undefined,
      });
    else if (state === "taken") this.#taken(id);
  };

  /** A live value message of any datapoint: on the hot path of MQTT, one look-up for those that nobody waits for. */
  take(datapoint: number, time: Micros, value: PointValue): void {
    const waiting = this.#byFeedback.get(datapoint);
    if (!waiting) return;
    for (const one of waiting.values()) {
      if (time < (one.acceptedAt - clockSlack) * 1000) continue;
      // What we have sent comes back from the broker like anybody else's.
      if (datapoint === one.datapoint && time === one.timestamp * 1000) continue;
      if (!matches(one.feedback, one.value, value)) continue;
      one.seen = { value, time };
      if (one.taken) this.#confirm(one);
    }
  }

  /** Drops what should have ended long ago. */
  sweep(): void {
    const now = this.#options.clock.now();
    for (const waiting of this.#byFeedback.values())
      for (const { id, acceptedAt, feedback } of waiting.values())
        if (now > acceptedAt + feedback.within + forgottenAfter) this.#remove(id);
  }

  #taken(id: number): void {
    const one = this.#byFeedback.get(this.#feedbackOf.get(id) ?? 0)?.get(id);
    if (!one) return;
    one.taken = true;
    if (one.seen) this.#confirm(one);
  }

  #confirm(one: Waiting): void {
    const { ledger, clock, log } = this.#options;
    const { id, feedback, seen } = one;
    if (!seen) return;
    one.seen = undefined;
    const outcome = {
      id,
      state: "confirmed",
      at: clock.now(),
      reason: null,
      readBack: seen,
      supersededBy: null,
    } as const;
    ledger.outcome(outcome, feedback.datapoint).catch((error: unknown) => {
      log.warn(
        { command: id, error: messageOf(error) },
        "a read-back could not be written down; the deadline decides",
      );
    });
  }

  #add(waiting: Waiting): void {
    const { id, feedback } = waiting;
    const others = this.#byFeedback.get(feedback.datapoint);
    if (others) others.set(id, waiting);
    else this.#byFeedback.set(feedback.datapoint, new Map([[id, waiting]]));
    this.#feedbackOf.set(id, feedback.datapoint);
  }

  #remove(id: number): void {
    const feedback = this.#feedbackOf.get(id);
    if (feedback === undefined) return;
    this.#feedbackOf.delete(id);
    const others = this.#byFeedback.get(feedback);
    others?.delete(id);
    if (others?.size === 0) this.#byFeedback.delete(feedback);
  }
}
