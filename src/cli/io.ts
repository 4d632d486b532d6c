import type { ReadStream } from "node:tty";
import type { Environment } from "../kernel/config/env.ts";
import { OperatorError } from "../kernel/errors.ts";

/** What a command has of the process; main.ts makes it. */
export interface Io {
  readonly env: Environment;
  readonly folder: string;
  readonly stdin: ReadStream;
  /** A line on standard output. */
  out(line: string): void;
  /** A line on standard error. */
  note(line: string): void;
  /**
   * On a terminal, a line that the next output replaces; empty to take it away. Undefined where nobody looks on.
   */
  readonly status: ((line: string) => void) | undefined;
  /** Resolves at the first request to end; a second one ends the process at once. */
  stopRequested(): Promise<NodeJS.Signals>;
}

/** All of standard input, without the line end a shell adds. */
export async function readAll(stdin: ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stdin) parts.push(Buffer.from(part));
  return Buffer.concat(parts)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** Asks each question on the terminal, without showing what is typed. */
export async function askHidden(questions: readonly string[], stdin: ReadStream): Promise<readonly string[]> {
  const answers: string[] = [];
  let typed = "";
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  try {
    process.stderr.write(questions[0] ?? "");
    for await (const keys of stdin.iterator({ destroyOnReturn: false })) {
      for (const key of String(keys)) {
        if (key === "\u0003" || key === "\u0004")
          throw new OperatorError("Interrupted; nothing was changed.");
        if (key === "\r" || key === "\n") {
          answers.push(typed);
          typed = "";
          process.stderr.write(`\n${questions[answers.length] ?? ""}`);
          if (answers.length === questions.length) return answers;
        } else typed = key === "\u007f" || key === "\b" ? [...typed].slice(0, -1).join("") : typed + key;
      }
    }
    throw new OperatorError("The terminal was closed; nothing was changed.");
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
}
