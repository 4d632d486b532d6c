import { statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../kernel/errors.ts";
import { countDays, eachDay } from "./days.ts";
import { chunkFile, type Kind, kinds } from "./files.ts";
import type { Wording } from "./messages.ts";
import type { SavedDatapoint } from "./metadata.ts";
import { type Placed, Placing } from "./placing.ts";
import { RestoreProgress } from "./restore-progress.ts";
import { type ExitCode, exitCodes, type Report, type Settings, type Shortcomings } from "./run.ts";
import type { Saved } from "./saved.ts";
import type { Send, Sent } from "./send.ts";
import { offeredKinds } from "./server-lists.ts";
import type { Target } from "./target.ts";
import { CannotGoOn, type Outcome, Threads } from "./threads.ts";

/** Of a packed empty list, which is shorter than that of any message. */
const emptySize = 48;

interface Course {
  readonly settings: Settings;
  readonly shortcomings: Shortcomings;
  readonly report: Report;
}

/** Brings the messages of the wanted days to the datapoints that were placed. */
export class MessageRestore {
  readonly #saved: Saved;
  readonly #placed: readonly Placed[];
  readonly #course: Course;
  readonly #progress: RestoreProgress;
  readonly #relaxed = new Set<number>();
  readonly #counts = { done: 0, created: 0, updated: 0, absent: 0 };
  readonly #total: number;
  /** Files with messages of a kind that the server does not take. */
  readonly #leftOut = new Set<Kind>();

  constructor(saved: Saved, placed: readonly Placed[], course: Course) {
    const { folder, first, last, target } = course.settings;
    this.#saved = saved;
    this.#placed = placed;
    this.#course = course;
    this.#progress = new RestoreProgress(folder, target.url, course.report);
    this.#total = countDays(first, last) * placed.length * kinds.length;
  }

  async run(target: Target): Promise<ExitCode> {
    const { settings, shortcomings, report } = this.#course;
    const [any] = this.#placed;
    const offered = any === undefined ? kinds : await offeredKinds(target, any.id);
    await using threads = new Threads(settings.threads, settings.target);
    try {
      await threads.doAll(this.#jobs(offered), (job, outcome) => this.#take(job, outcome), report.stopping);
    } catch (error) {
      if (!(error instanceof CannotGoOn)) throw error;
      report.note(`${error.message}\nThe same command goes on from here.`);
      return exitCodes.incomplete;
    } finally {
      await this.#restoreFormats(target);
    }
    for (const kind of this.#leftOut)
      shortcomings.add(`The server takes no history of ${kind}s: they are left out.`);
    const { created, updated, absent, done } = this.#counts;
    report.line(`msgs_created: ${created}, msgs_updated: ${updated}`);
    if (absent > 0) report.note(`${absent} files of these days are not in the backup.`);
    if (done < this.#total) return exitCodes.stopped;
    if (shortcomings.count === 0) this.#progress.remove();
    return exitCodes.done;
  }

  *#jobs(offered: readonly Kind[]): Generator<Send> {
    const { folder, first, last } = this.#course.settings;
    for (const day of eachDay(first, last))
      for (const one of this.#placed)
        for (const kind of kinds) {
          const file = chunkFile(day, one.saved.id, kind);
          const path = join(folder, file);
          const size = statSync(path, { throwIfNoEntry: false })?.size;
          const present = size !== undefined;
          if (!present) this.#counts.absent += 1;
          else if (!offered.includes(kind) && size > emptySize) this.#leftOut.add(kind);
          const alreadyThere = !one.created && this.#progress.has(file, one.id);
          if (!present || alreadyThere || !offered.includes(kind)) this.#step();
          else yield this.#job(one, kind, path);
        }
  }

  #job({ id, saved }: Placed, kind: Kind, file: string): Send {
    return {
      ...{ task: "send", file, kind, id },
      identity: {
        connector: { name: saved.connector },
        key_in_connector: saved.key,
        type: saved.type,
      },
      wording: this.#wordingOf(saved),
    };
  }

  #wordingOf({ dataFormat }: SavedDatapoint): Wording {
    const takesTexts = dataFormat === "generic_text" || dataFormat === "discrete_text";
    return { dialect: this.#saved.isOld ? "native" : "text", textsOnly: !this.#saved.isFull && takesTexts };
  }

  #take(job: Send, outcome: Outcome): void {
    if (outcome.failed !== undefined) this.#course.shortcomings.add(outcome.failed);
    else if (outcome.sent) this.#takeSent(job, outcome.sent);
    this.#step();
  }

  #takeSent(job: Send, sent: Sent): void {
    this.#counts.created += sent.created;
    this.#counts.updated += sent.updated;
    if (sent.relaxed) this.#relaxed.add(job.id);
    if (sent.refused > 0)
      this.#course.shortcomings.add(
        `${job.file}: ${sent.refused} messages were refused, the first: ${sent.reason}`,
      );
    this.#progress.add(job.file.slice(join(this.#course.settings.folder, "x").length - 1), job.id);
  }

  #step(): void {
    this.#course.report.progress(++this.#counts.done, this.#total);
  }

  /** Rules that were lifted for messages they would refuse are in force again. */
  async #restoreFormats(target: Target): Promise<void> {
    const { shortcomings } = this.#course;
    const changed = this.#placed.filter(({ id }) => this.#relaxed.has(id)).map(({ saved }) => saved);
    try {
      await new Placing(target, { force: false }, shortcomings).place(changed);
    } catch (error) {
      shortcomings.add(
        `The data formats of ${changed.length} datapoints are still 'unknown': ${messageOf(error)}`,
      );
    }
  }
}
