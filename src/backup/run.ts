import type { Day } from "./days.ts";
import type { TargetSettings } from "./target.ts";

/** What backup and restore have in common. */
export interface Settings {
  readonly target: TargetSettings;
  readonly folder: string;
  readonly first: Day;
  /** Included. */
  readonly last: Day;
  readonly threads: number;
}

/** How a run tells what it does. */
export interface Report {
  line(text: string): void;
  /** A line about something that is not as it should be. */
  note(text: string): void;
  progress(done: number, total: number): void;
  /** Whether the operator wants it to end. */
  stopping(): boolean;
}

export const exitCodes = {
  done: 0,
  /** No such folder, or nothing in it to restore. */
  folder: 1,
  /** The server cannot be reached, or its start page does not answer 200. */
  target: 2,
  /** Signing in failed, a right is missing, or the operator said no. */
  refused: 3,
  /** Some of it could not be done; the lines say what. */
  incomplete: 4,
  /** Ended by a signal; the same command goes on where it ended. */
  stopped: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a run before its work begins. */
export class CannotBegin extends Error {
  override readonly name = "CannotBegin";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Counts what has been noted, for the end of a run. */
export class Shortcomings {
  readonly #report: Report;
  #count = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  get count(): number {
    return this.#count;
  }

  add(text: string): void {
    this.#count += 1;
    this.#report.note(text);
  }
}
