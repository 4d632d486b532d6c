import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../kernel/errors.ts";
import type { Report } from "./run.ts";

interface Entry {
  /** Relative to the folder of the backup. */
  readonly file: string;
  /** Id of the datapoint that has its messages now. */
  readonly to: number;
}

/** Which files a server has already; kept beside the backup until all are there, one line per file. */
export class RestoreProgress {
  readonly #path: string;
  readonly #done = new Map<string, number>();
  readonly #report: Report;
  #canWrite = true;

  constructor(folder: string, url: string, report: Report) {
    const name = createHash("sha256").update(url).digest("hex").slice(0, 12);
    this.#path = join(folder, `restore_progress_${name}.jsonl`);
    this.#report = report;
    for (const line of this.#lines()) {
      try {
        const { file, to } = JSON.parse(line) as Entry;
        this.#done.set(file, to);
      } catch {
        // The line that was being written when the process was killed.
      }
    }
  }

  has(file: string, to: number): boolean {
    return this.#done.get(file) === to;
  }

  add(file: string, to: number): void {
    if (!this.#canWrite) return;
    try {
      appendFileSync(this.#path, `\n${JSON.stringify({ file, to } satisfies Entry)}`);
    } catch (error) {
      this.#canWrite = false;
      this.#report.note(`${messageOf(error)}: an interrupted restore will have to begin anew.`);
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }

  #lines(): readonly string[] {
    try {
      return readFileSync(this.#path, "utf8").split("\n");
    } catch {
      return [];
    }
  }
}
