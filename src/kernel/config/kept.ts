import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { OperatorError } from "../errors.ts";
import { parseJson } from "./settings.ts";

type Facts = Readonly<Record<string, unknown>>;

/** Named JSON values in one small file; a change is there wholly or not at all, whenever the power goes. */
export class Kept {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Undefined when nothing was kept under the name.
   * @throws OperatorError when the file is damaged
   */
  find(name: string): unknown {
    return this.#read()[name];
  }

  /** Undefined when no whole number is kept there. */
  findNumber(name: string): number | undefined {
    const value = this.find(name);
    return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
  }

  put(name: string, value: unknown): void {
    writeDurably(this.#file, `${JSON.stringify({ ...this.#read(), [name]: value }, null, 2)}\n`);
  }

  remove(name: string): void {
    const { [name]: removed, ...others } = this.#read();
    if (removed !== undefined) writeDurably(this.#file, `${JSON.stringify(others, null, 2)}\n`);
  }

  #read(): Facts {
    const text = readIfPresent(this.#file);
    if (text === undefined) return {};
    const facts = parseJson(text);
    if (typeof facts !== "object" || facts === null || Array.isArray(facts))
      throw new OperatorError(`The file ${this.#file} is damaged; remove it to go on with the defaults.`);
    return { ...facts };
  }
}

/** Undefined where there is no such file. */
export function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Replaces the file in one step, on the disk before it returns; its owner's only. */
export function writeDurably(file: string, text: string): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  syncFolder(dirname(file));
}

/** The new name itself must reach the disk, too; Windows cannot open a folder for that. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
