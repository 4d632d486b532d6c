import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, OperatorError } from "../errors.ts";
import { Kept, readIfPresent, writeDurably } from "./kept.ts";

/** The folder for everything a server keeps, its owner's only. */
export class DataFolder {
  readonly path: string;
  /** Small facts which outlive a restart, like a port that was chosen once. */
  readonly kept: Kept;

  private constructor(path: string) {
    this.path = path;
    this.kept = new Kept(join(path, "kept.json"));
  }

  /**
   * Makes the folder where it is missing.
   * @throws OperatorError when it cannot be made, written or read
   */
  static open(path: string): DataFolder {
    try {
      makeFolder(path);
      // Permission bits do not tell it all: the disk may be mounted read-only.
      const probe = join(path, `probe-${process.pid}`);
      writeFileSync(probe, "");
      rmSync(probe);
    } catch (error) {
      throw new OperatorError(notWritable(path, error));
    }
    return new DataFolder(path);
  }

  /** Absolute path of a file in it. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** 64 random characters, made once. */
  secret(): string {
    const file = this.file("secret");
    const kept = readIfPresent(file);
    if (kept !== undefined && kept.trim() !== "") return kept.trim();
    const secret = randomBytes(48).toString("base64url");
    writeDurably(file, `${secret}\n`);
    return secret;
  }

  /**
   * Keeps other servers out until it is disposed of or the process ends, however it ends.
   * @throws OperatorError while another process has it
   */
  lock(): Disposable {
    // SQLite brings the operating system's file locks on every platform; Node has none of its own. The file stays
    // empty, and nobody else may open it: closing any handle of a locked file would give up the lock.
    const database = new DatabaseSync(this.file("lock"), { timeout: 0 });
    try {
      database.exec("begin exclusive");
    } catch (error) {
      database.close();
      throw this.#refusal(error);
    }
    const holder = this.file("pid");
    writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 });
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        rmSync(holder, { force: true });
        database.close();
      },
    };
  }

  #refusal(error: unknown): OperatorError {
    if (!/locked|busy/i.test(messageOf(error)))
      return new OperatorError(`The data folder ${this.path} cannot be locked: ${messageOf(error)}`);
    const holder = readIfPresent(this.file("pid"))?.trim();
    const who = holder ? `process ${holder}` : "another process";
    return new OperatorError(
      `The data folder ${this.path} is in use by ${who}; stop it or set BUSBAR_DATA_DIR to another folder.`,
    );
  }
}

/** Step by step: Node's own recursive mkdir never returns where a file system takes no new folders, like /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have been quicker.
    if (!existsSync(path)) throw error;
  }
}

function notWritable(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
  return `BUSBAR_DATA_DIR: the folder ${path} cannot be written (${code})${ownership(path)}.`;
}

/** Whose the folder is, or the nearest one above it that exists, and who asks. */
function ownership(path: string): string {
  for (let place = path; ; place = dirname(place)) {
    const uid = ownerOf(place);
    if (uid !== undefined) {
      const me = process.geteuid?.();
      const reader = me === undefined ? "" : `, and this process runs as ${account(me)}`;
      return `; ${place === path ? "it" : place} belongs to ${account(uid)}${reader}`;
    }
    if (place === dirname(place)) return "";
  }
}

function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

function account(uid: number): string {
  try {
    const name = execFileSync("id", ["-un", String(uid)], { encoding: "utf8", stdio: "pipe" }).trim();
    return `${name} (${uid})`;
  } catch {
    return `user ${uid}`;
  }
}

/** The process that has the folder locked, as it said itself; undefined when it said nothing. */
export function lockHolder(path: string): number | undefined {
  try {
    return Number(readFileSync(join(path, "pid"), "utf8")) || undefined;
  } catch {
    return undefined;
  }
}
